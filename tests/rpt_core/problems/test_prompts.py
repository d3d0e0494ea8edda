"""Prompt templates."""

import re
from difflib import SequenceMatcher

import pytest

from rpt_core.errors import UserError
from rpt_core.problems.prompts import load_template, parse_template, template_names
from rpt_core.verdict import extract_prediction

VERSIONS = ["v0", "v1", "v2", "v3", "v4", "v5", "v6"]
EXAMPLES = ["\\boxed{ Paris}", "\\boxed{ 5}"]
FEW_SHOT = ["\\boxed{ once}", "\\boxed{7}", "\\boxed{.\n}"]


def words(template):
    return template.before + template.after


def filled_boxes(text):
    return re.findall(r"\\boxed\{[^{}]+\}", text)


def test_the_built_in_templates_are_shipped_with_the_package():
    assert {"plain", "plain_fenced", "plain_instructed", *VERSIONS} <= set(template_names())


@pytest.mark.parametrize("name", template_names())
def test_every_built_in_template_loads_and_carries_the_context(name):
    template = load_template(name)
    assert template.id == name
    assert template.render("Once upon") == f"{template.before}Once upon{template.after}"


@pytest.mark.parametrize("name", VERSIONS)
def test_every_version_of_the_paper_has_the_clauses_of_all_and_is_sent_as_a_message(name):
    template = load_template(name)
    assert template.chat
    for clause in ("### Context", "\\boxed{}", "step by step", "next token", "\\text{}"):
        assert clause in words(template), clause
    assert filled_boxes(words(template)) == (FEW_SHOT if name == "v4" else EXAMPLES)


def test_v0_ends_with_the_raw_context_under_its_heading():
    template = load_template("v0")
    assert template.before.endswith("\n### Context\n")
    assert template.after == ""
    assert "```" not in template.before
    assert "begin with a space" in template.before


@pytest.mark.parametrize("name", ["v1", "v2", "v3", "v4", "v5"])
def test_v1_to_v5_fence_the_context_in_triple_backticks(name):
    template = load_template(name)
    assert template.before.endswith("\n### Context\n```\n")
    assert template.after == "\n```"


def test_v2_is_v1_after_a_persona():
    persona, _, rest = load_template("v2").before.partition("\n\n")
    assert "helpful assistant" in persona
    assert rest == load_template("v1").before


@pytest.mark.parametrize("name", VERSIONS)
def test_v3_and_v6_alone_ask_for_candidates(name):
    text = words(load_template(name))
    assert ("several candidates" in text) == ("most probable" in text) == (name in ("v3", "v6"))


def test_v4_shows_three_contexts_with_their_boxed_next_token():
    template = load_template("v4")
    shown = re.findall(r"### Context\n```\n(.+?)\n```\n(\\boxed\{[^{}]+\})", template.before)
    assert [box for _, box in shown] == FEW_SHOT
    word, digit, punctuation = (extract_prediction(f"</think>{box}") for _, box in shown)
    assert word.startswith(" ")
    assert digit.isdigit()
    assert punctuation == ".\n"


def test_v5_is_v1_with_other_words_for_a_few():
    v1, v5 = (load_template(name).before.split() for name in ("v1", "v5"))
    assert v1 != v5
    assert SequenceMatcher(None, v1, v5).ratio() > 0.85
    assert "answer" in v5
    assert not {"prediction", "predicting"} & set(v5)


def test_v6_fences_the_context_within_a_line_and_repeats_the_instruction_behind_it():
    template = load_template("v6")
    assert template.before.endswith(": ```")
    assert template.after.startswith("```\n")
    for part in (template.before, template.after):
        for clause in ("predicting its next token", "step by step", "several candidates", "\\boxed{}"):
            assert clause in part


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("plain", "", "<think>"),
        ("plain_fenced", "```\n", "\n```<think>"),
        ("plain_instructed", "Predict the next token of this text.\n", "<think>"),
    ],
)
def test_the_plain_templates_open_the_thought_themselves(name, before, after):
    template = load_template(name)
    assert (template.before, template.after, template.chat) == (before, after, False)


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
    with pytest.raises(UserError, match=r"no prompt template 'v99'. Use one of .*plain, .*v0, v1"):
        load_template("v99")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 {context}")
    with pytest.raises(UserError, match="not UTF-8"):
        load_template(str(tmp_path / "latin.txt"))


@pytest.mark.parametrize(
    ("data", "before", "after"),
    [
        (b"\xef\xbb\xbfGo on: {context}\n", "Go on: ", ""),
        (b"\xef\xbb\xbf{context}\r\nBox it.\r\n", "", "\r\nBox it."),
        (b"a\r\nb {context}\r\n\r\n", "a\r\nb ", "\r\n"),
        (b"{context} \r", "", " \r"),
    ],
)
def test_a_byte_order_mark_and_one_line_break_at_the_end_are_the_file_s(tmp_path, data, before, after):
    (tmp_path / "mine.txt").write_bytes(data)
    template = load_template(str(tmp_path / "mine.txt"))
    assert (template.before, template.after) == (before, after)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_a_template_in_another_encoding_is_told_from_one_without_a_context(tmp_path, encoding):
    (tmp_path / "mine.txt").write_bytes("Weiter, bärig: {context}".encode(encoding))
    with pytest.raises(UserError, match=r"mine\.txt is not UTF-8 text\. Save it as UTF-8"):
        load_template(str(tmp_path / "mine.txt"))
