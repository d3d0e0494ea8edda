"""Prompt templates and pattern lists: looked over, previewed at a real position, saved in versions that runs name."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from rpt_core.analysis.patterns import keyword_list_names, keyword_list_text, load_keywords
from rpt_core.errors import UserError
from rpt_core.problems.prompts import load_template, template_names, template_text
from rpt_web.corpora import registry, wordings
from rpt_web.corpora.models import RegisteredModel, Wording, WordingVersion
from rpt_web.runs.models import Run
from rpt_web.teams.membership import first_team
from tests.factories import make_user
from tests.scored_files import make_filter_run

GOOD = "Think, and end with </think>.\n{context}\nThen write \\boxed{}.\n"


def address(name, *arguments, **query):
    return reverse(f"wordings:{name}", args=arguments, query=query)


@pytest.fixture
def version(ada):
    return wordings.create(first_team(), "template", "mine", GOOD, ada)


def levels(kind, text):
    return [remark.level for remark in wordings.remarks_on(kind, "x", text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, []),
        ("no place", ["error", "warning", "warning"]),
        ("{context}{context} \\boxed{} </think>", ["error"]),
        ("{context} </think>", ["warning"]),
        ("{context} \\boxed{}", ["warning"]),
        ("{context}\\boxed{}<think> ", ["warning"]),
        ("{context} \\boxed{} </think> \u202e", ["error"]),
        ("{context} \\boxed{} </think>" + "x" * 50_000, ["error"]),
    ],
)
def test_what_speaks_against_a_template_is_said(text, expected):
    assert levels("template", text) == expected


def test_what_is_built_in_has_no_error():
    for name in template_names():
        if "multiple_choice" not in name and "question" not in name:
            assert "error" not in levels("template", template_text(name))
    for name in keyword_list_names():
        assert levels("patterns", keyword_list_text(name)) == []
    assert levels("patterns", "groups: []") == ["error"]


def test_a_version_is_a_file_that_a_run_reads_and_that_never_changes(version, ada):
    assert load_template(str(version.path)).before == "Think, and end with </think>.\n"
    assert load_template(str(version.path)).id == "mine-v1"
    second = wordings.save(version.wording, GOOD.replace("Think", "Ponder"), ada)
    assert (second.number, second.path.name) == (2, "mine-v2.txt")
    assert version.path.read_text() == GOOD
    with pytest.raises(UserError, match="is version 2 already"):
        wordings.save(version.wording, second.text, ada)
    with pytest.raises(UserError, match="exactly once"):
        wordings.save(version.wording, "nothing", ada)
    with pytest.raises(UserError, match="has 'mine' already"):
        wordings.create(first_team(), "template", "mine", GOOD, ada)
    for name in ("../x", "", "a b", "x" * 65):
        with pytest.raises(UserError, match="Give a name"):
            wordings.create(first_team(), "template", name, GOOD, ada)
    assert Wording.objects.count() == 1
    listed = wordings.create(first_team(), "patterns", "mine", keyword_list_text("paper"), ada)
    assert load_keywords(str(listed.path)).groups.keys() == load_keywords("paper").groups.keys()


def test_a_run_may_read_a_version_and_is_found_by_it(version, run):
    from rpt_core.config.reads import Reading, Reads
    from rpt_web.runs import reach

    assert reach.why_not(Reading("prompt.template", str(version.path), Reads.TEMPLATE)) == ""
    Run.objects.filter(pk=run.pk).update(config=run.config | {"prompt": {"template": str(version.path)}})
    assert list(wordings.runs_that_use(version, Run.objects.all())) == [run]
    other = WordingVersion(wording=version.wording, number=2)
    assert not wordings.runs_that_use(other, Run.objects.all()).exists()


def test_one_is_written_on_the_page_beginning_with_one_that_is_built_in(page, client):
    text = page(address("wording_new", **{"from": "v6"}))
    assert "list several" in text or "candidates" in text
    assert client.post(address("wording_new"), {"name": "mine", "text": "no place"}).status_code == 422
    answer = client.post(address("wording_new"), {"name": "mine", "text": GOOD.replace("\n", "\r\n")})
    made = WordingVersion.objects.get()
    assert answer["Location"] == address("wording_detail", made.wording_id)
    assert made.text == GOOD
    client.post(answer["Location"], {"text": GOOD + "more"})
    text = page(address("wording_detail", made.wording_id))
    assert "mine, version 2" in text
    assert "mine, version 1" in page(address("wording_detail", made.wording_id, version=1))
    assert "mine" in page(address("wording_list"))


def test_the_list_shows_what_the_paper_published(page):
    text = page(address("wording_list"))
    for name, accuracy in (("v0", "8.5"), ("v6", "19.0")):
        assert f">{name}</a>" in text
        assert accuracy in text


def test_the_preview_is_at_a_chosen_position_in_a_models_chat_template(page, client, ada, experiment, settings):
    settings.RPT_HUB_MODELS = ["*"]
    filtered, documents = make_filter_run(experiment, ada, [("first", "one <b>two</b> three four five six seven.")])
    model = registry.register(first_team(), "some/model", "Chatty", ada)
    RegisteredModel.objects.update(loads=True, facts={"chat_before": "<|user|>", "chat_after": "<|end|><think>"})
    page(address("wording_list"))
    typed = {"kind": "template", "text": "before {context} after", "model": model.pk}
    place = {"run": filtered.pk, "split": "train", "row": 0, "token": 5}
    text = client.post(address("wording_preview"), typed | place).content.decode()
    end = documents["train"][0].byte_offsets[5]
    expected = "one <b>two</b> three four five six seven."[:end].replace("<", "&lt;").replace(">", "&gt;")
    assert f">{expected}</mark> after" in text
    assert "&lt;|user|&gt;" in text
    assert "&lt;|end|&gt;&lt;think&gt;" in text
    assert "asks for no <code>\\boxed{}</code>" in text
    opened = client.post(address("wording_preview"), typed | place | {"text": "{context}<think>"}).content.decode()
    assert "&lt;|user|&gt;" not in opened  # a template that opens the thought is no message


def test_a_lists_phrases_are_tried_on_a_sample_and_its_expressions_left_alone(page, client):
    page(address("wording_list"))
    evil = "version: 1\nsource: x\ngroups:\n  a: [wait, 'think differently']\n  b: [{regex: '(a+)+$'}]\n"
    sample = "Wait: think   differently. " + "a" * 60 + "!"
    answer = client.post(address("wording_preview"), {"kind": "patterns", "text": evil, "sample": sample})
    text = answer.content.decode()
    assert "“wait” and “think differently”" in text
    assert "1 regex" in text
    for broken in ("groups: [", "groups: {a: 3}", "- x"):
        typed = {"kind": "patterns", "text": broken, "sample": sample}
        assert client.post(address("wording_preview"), typed).status_code == 200


@pytest.mark.parametrize(("more", "before"), [("", "x " * 10_000), ("#" * 50_000, "")])
def test_what_is_tried_on_a_page_is_so_short_that_nobody_waits_for_it(page, client, more, before):
    page(address("wording_list"))
    text = f"version: 1\nsource: x\ngroups: {{mine: [wait]}}\n{more}"
    typed = {"kind": "patterns", "text": text, "sample": f"{before} wait"}
    answer = client.post(address("wording_preview"), typed).content.decode()
    assert "“wait”" not in answer
    assert ("Give at most 50,000 characters" in answer) == bool(more)


def test_viewers_read_and_change_nothing_and_others_see_none(client, viewer_client, version):
    there = address("wording_detail", version.wording_id)
    assert b"Save as the next version" not in viewer_client.get(there).content
    assert viewer_client.post(there, {"text": GOOD + "x"}).status_code == 403
    assert viewer_client.get(address("wording_new")).status_code == 403
    stranger = make_user("mallory")
    stranger.memberships.all().delete()
    client.force_login(stranger)
    assert client.get(there).status_code == 404


def test_the_list_goes_on_by_name_and_loads_no_text(client, page, ada, django_assert_max_num_queries):
    page(address("wording_list"))
    names = [f"t{number:03d}" for number in range(120)]
    team = first_team()
    made = Wording.objects.bulk_create(Wording(team=team, kind="template", name=name) for name in reversed(names))
    WordingVersion.objects.bulk_create(
        WordingVersion(wording=wording, number=number, text=GOOD) for wording in made for number in (1, 2, 3)
    )
    seen, at = [], address("wording_list")
    while at:
        with django_assert_max_num_queries(8) as queries:
            text = client.get(at).content.decode()
        assert not any('"text"' in query["sql"] for query in queries)
        seen += re.findall(r">(t\d{3})</a>", text)
        (more,) = re.findall(r'href="(\?kind=template&amp;after=\d+)"', text) or [""]
        at = more and address("wording_list") + more.replace("&amp;", "&")
    assert seen == names
    assert 'class="number">3</td>' in text
    there = address("wording_detail", made[0].pk)
    with django_assert_max_num_queries(12) as queries:
        client.get(there)
    reading = [query["sql"] for query in queries if '"corpora_wordingversion"."text"' in query["sql"]]
    assert reading
    assert all("LIMIT 1" in sql for sql in reading), "of the versions only the one that is shown"
