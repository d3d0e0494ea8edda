"""Prompt templates."""

import pytest

from rpt_core.errors import UserError
from rpt_core.prompts import load_template, parse_template, template_names


def test_the_built_in_templates_are_shipped_with_the_package():
    assert template_names() == ["plain", "v0"]


def test_v0_has_the_clauses_of_the_paper_and_is_sent_as_a_message():
    template = load_template("v0")
    assert (template.id, template.chat) == ("v0", True)
    for clause in ("### Context\n", "\\boxed{}", "step by step", "begin with a space", "\\text{}"):
        assert clause in template.before
    assert template.before.count("\\boxed{ ") == 2
    assert template.render("Once upon") == template.before + "Once upon"


def test_plain_is_the_context_and_an_opened_thought():
    template = load_template("plain")
    assert (template.before, template.after, template.chat) == ("", "<think>", False)


def test_a_template_of_ones_own_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes(b"Weiter im Text:\r\n {context} \n\n")
    template = load_template(str(path))
    assert (template.id, template.before, template.after) == ("mine", "Weiter im Text:\r\n ", " \n")
    assert template.chat


@pytest.mark.parametrize(
    ("text", "problem"),
    [("Go on.", "is missing from"), ("{context} and {context}", "occurs 2 times in"), ("", "is missing")],
)
def test_the_context_must_stand_in_a_template_exactly_once(text, problem):
    with pytest.raises(UserError, match=problem):
        parse_template("mine", text)


def test_an_unknown_template_is_explained(tmp_path):
    with pytest.raises(UserError, match=r"no prompt template 'v99'. Use plain or v0"):
        load_template("v99")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 {context}")
    with pytest.raises(UserError, match="not UTF-8"):
        load_template(str(tmp_path / "latin.txt"))
