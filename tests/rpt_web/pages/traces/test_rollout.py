"""The page of one response: its verdict, its context, its group, its neighbours."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from django.urls import reverse
from django.utils.html import escape

from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RecordedTokens, read_rollouts, write_rollouts
from rpt_web.runs.models import Run
from rpt_web.traces import queries
from rpt_web.traces.models import Rollout, rollout_id
from tests.factories import HOSTILE
from tests.preset_runs import hostile_id
from tests.rpt_web.pages.traces.shown_rollouts import detail_address, list_address, rollouts
from tests.suite_runs import finish_all_waiting, suite


def test_a_rightful_prediction_is_shown_with_its_verdict_and_numbers(page, run):
    key = rollouts(run).filter(kind="train", reason="match", step=6).values_list("id", flat=True).first()
    text = page(detail_address(run, key))
    assert "The one byte agrees and ends where the first token ends." in text
    for label in (
        "Advantage",
        "Mean log-prob",
        "Entropy at the position",
        "The group's predictions",
        "Chain of thought",
    ):
        assert label in text
    assert '<mark class="box"' in text
    assert "context ends" in text
    assert "&lt;think&gt;" in text


def test_the_context_is_marked_where_it_ends_with_its_last_blank_shown(page, run):
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert 'Solution:<span class="sign">·</span><span class="here"' in text


def as_older_versions_wrote(run, step=6):
    """The shard of a step without the place of the context, which rollouts have not always had."""
    path = RunDir(run.directory).rollout_shard("train", step)
    pq.write_table(pq.read_table(path).drop_columns(["context_start", "context_end"]), path, row_group_size=256)


def test_the_context_is_where_the_stage_says_whatever_template_the_config_names(page, run, tmp_path):
    path = RunDir(run.directory).rollout_shard("train", 6)
    first, *others = read_rollouts(path)
    text = "Continue: {context} is what to continue.<think>"  # a template's parts stand in the context itself
    prompt, start = f"Continue: {text}</s><think>", len("Continue: ")
    write_rollouts(path, [replace(first, prompt=prompt, context_start=start, context_end=start + len(text)), *others])
    Run.objects.filter(pk=run.pk).update(config={"template": str(tmp_path / "gone.txt")})
    shown = page(detail_address(run, rollout_id(6, "train", 0)))
    assert f'{escape(text)}<span class="here"' in shown
    assert "&lt;/s&gt;&lt;think&gt;" in shown


def test_the_context_of_an_older_question_is_marked_by_the_template_that_its_stage_names(page, run):
    as_older_versions_wrote(run)
    assert 'Solution:<span class="sign">·</span><span class="here"' in page(
        detail_address(run, rollout_id(6, "train", 0))
    )
    Run.objects.filter(pk=run.pk).update(config={"template": run.config["prompt"]["template"]})
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert 'Solution:<span class="sign">·</span><span class="here"' in text


def test_a_template_that_may_not_be_read_is_not_read(page, run, tmp_path, settings):
    """The part of a prompt that a foreign file also begins with would tell what is in that file."""
    from rpt_core.problems.prompts import load_template

    as_older_versions_wrote(run)
    template = load_template(run.config["prompt"]["template"])
    (tmp_path / "foreign.txt").write_text(f"{template.before}{{context}}{template.after}")
    Run.objects.filter(pk=run.pk).update(config={"template": str(tmp_path / "foreign.txt")})
    marked = 'Solution:<span class="sign">·</span><span class="here"'
    assert marked in page(detail_address(run, rollout_id(6, "train", 0)))
    settings.RPT_READ_ROOTS = []
    assert marked not in page(detail_address(run, rollout_id(6, "train", 0)))


@pytest.mark.parametrize("sample", range(4))
def test_hostile_responses_stay_text(page, run, sample):
    text = page(detail_address(run, hostile_id(sample, groups=3)))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<b>" not in text
    assert "**bold**" in text
    assert "{{ 7|add:1 }}" in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert" in text


@pytest.mark.parametrize("beyond", [0, 1])
def test_neighbours_obey_the_filters_in_the_order_of_the_list(page, run, beyond):
    filters = queries.Filters(reason="mismatch", kind="train")
    found = [row.id for row in queries.rollout_page(rollouts(run), filters).rows]
    query = "?kind=train&amp;reason=mismatch"
    last = max(place for place, key in enumerate(found) if key >= rollout_id(6, "train", 0))
    place = last + beyond  # the last of the newest step, or the first of the step before
    text = page(detail_address(run, found[place], query.replace("&amp;", "&")))
    before, after = (f'href="{detail_address(run, found[place + step])}{query}">' for step in (-1, 1))
    assert text.index(before) < text.index(after)


def test_the_group_stands_side_by_side_with_each_thought(page, run):
    text = page(detail_address(run, rollout_id(6, "train", 8)))
    assert 1 < text.count('class="card member') <= 8
    assert text.count("(this one)") == 1
    for member in rollouts(run).filter(step=6, kind="train", group=1):
        assert detail_address(run, member.id) in text


def test_the_votes_of_a_group_stand_under_the_text(page, run):
    group = list(rollouts(run).filter(step=6, kind="train", group=0))
    right = sum(member.reward > 0 for member in group)
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert f"{right} of 8" in text
    assert "pass@k" in text
    for member in group:
        times = sum(other.prediction == member.prediction for other in group)
        assert f"{times} ×" in text
    assert "right: 1 token" in text


def test_the_same_position_is_followed_over_the_steps(page, run):
    text = page(detail_address(run, rollout_id(0, "sampled", 0)))
    assert "Same position, other steps" in text
    assert detail_address(run, rollout_id(5, "sampled", 0)) in text


def test_more_than_a_few_other_steps_are_shown_on_request_and_all_are_there(page, run, monkeypatch):
    first = rollouts(run).get(id=rollout_id(0, "sampled", 0))
    for step in range(100, 112):
        first.id, first.step = rollout_id(step, "sampled", 0), step
        first.save(force_insert=True)
    text = page(detail_address(run, rollout_id(0, "sampled", 0)))
    assert "13 responses" in text
    assert text.count('class="more-row"') == 5
    assert "Show all 13" in text
    assert all(detail_address(run, rollout_id(step, "sampled", 0)) in text for step in (5, *range(100, 112)))
    monkeypatch.setattr(queries, "SAME_POSITION_LIMIT", 10)
    assert "the first 10 responses" in page(detail_address(run, rollout_id(0, "sampled", 0)))


def test_without_its_shard_a_response_shows_what_the_database_keeps(page, run):
    key = rollout_id(6, "train", 0)
    (run.directory / "rollouts" / "train-000006.parquet").unlink()
    text = page(detail_address(run, key))
    assert "The full text is missing." in text
    assert rollouts(run).get(id=key).preview.strip()[:5] in text


def test_a_damaged_shard_is_no_error(page, run):
    (run.directory / "rollouts" / "train-000006.parquet").write_bytes(b"PAR1 not really")
    assert "The full text is missing." in page(detail_address(run, rollout_id(6, "train", 0)))


def test_an_unknown_rollout_is_not_found(page, run):
    page(detail_address(run, rollout_id(700, "train", 0)), status=404)
    page(detail_address(run, 2**63 - 1), status=404)
    page(detail_address(run, 2**70), status=404)


def test_the_detail_takes_a_fixed_number_of_queries(page, run, django_assert_num_queries):
    with django_assert_num_queries(17):
        page(detail_address(run, rollout_id(6, "train", 0)))


def test_the_hostile_text_really_is_in_the_shard():
    assert "<script>" in HOSTILE
    assert "onerror" in HOSTILE


def test_an_answer_to_a_question_is_compared_as_a_whole(page, ada):
    experiment = suite(ada, seeds=(0,))
    finish_all_waiting(experiment, ("s0-base", "s0-cold-filter", "s0-cold", "s0-rlvr-cold"))
    run = experiment.runs.get(name="s0-rlvr-cold")
    assert 'href="/runs/' in page(reverse("runs:run_detail", args=[run.pk]))
    found = rollouts(run).filter(reason="mismatch").first()
    text = page(detail_address(run, found.id))
    assert "Answer against the reference" in text
    assert "The answer does not equal the reference." in text
    assert "<dt>Earned in training</dt><dd>0</dd>" in text
    assert "byte-grid" not in text
    assert "Entropy at the position" not in text
    assert f"{found.document}</span>:0" not in page(list_address(run))


def test_one_token_is_told_in_the_singular(page, run):
    Rollout.objects.filter(run_id=run.pk, step=6).update(response_tokens=1, prompt_tokens=1)
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert text.count("1 token<") >= 3
    assert "1 tokens" not in text


HOSTILE_CHARACTERS = "<script>\x1b[31m\u202e\u200b\u0007<svg onload=alert(1)>"


def test_a_huge_hostile_response_is_shown_in_parts_and_the_page_stays_small(page, run):
    """A line of a megabyte, and as many characters that are written out, in the thought, the box and the prompt."""
    path = RunDir(run.directory).rollout_shard("train", 6)
    rows = list(read_rollouts(path))
    line, signs = "x" * 1_000_000, HOSTILE_CHARACTERS * 20_000
    for index in range(8):
        response = f"{signs if index % 2 else line}{index}</think>{signs}\\boxed{{{line}}}{signs}"
        rows[index] = replace(rows[index], response=response, prediction=line.encode(), prompt=f"{signs}{line}</s>")
    write_rollouts(path, rows)
    for key in (rollout_id(6, "train", 0), rollout_id(6, "train", 1)):
        text = page(detail_address(run, key))
        assert len(text.encode()) < 1_500_000
        assert "<script>\\x" not in text
        assert "<svg onload" not in text
        assert not {"\x1b", "\u202e", "\u200b"} & set(text)
        assert "Next part" in text
        last = page(detail_address(run, key, "?from=999999999"))
        assert "Part before" in last
        assert "Next part" not in last


def test_recorded_tokens_are_shown_a_window_at_a_time(page, run):
    path = RunDir(run.directory).rollout_shard("train", 6)
    first, *others = read_rollouts(path)
    response = "ab\x1b" * 500 + "</think>\\boxed{1}"
    count = len(response)
    tokens = RecordedTokens(0, list(range(count)), list(range(1, count + 1)), [-0.05, -3.0] * count, None)
    write_rollouts(path, [replace(first, response=response, response_tokens=count, tokens=tokens), *others])
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert '<span class="tok shade-3" title="token 1, id 1, bytes 62, log-prob -3.000">b</span>' in text
    assert '<span class="tok shade-0" title="token 2, id 2, bytes 1b, log-prob -0.050">\\x1B</span>' in text
    assert "tokens 0 to 400" in text
    assert "tokens 1,200 to" in page(detail_address(run, rollout_id(6, "train", 0), "?tokens=1200"))
    assert "As a table" not in page(detail_address(run, rollout_id(6, "train", 1)))


def test_how_the_model_was_asked_stands_beside_the_prompt(page, run):
    sampling, template = run.config["sampling"], run.config["prompt"]["template"]
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert f"<dd>{template}, built in</dd>" in text
    assert f"<dd>{sampling['temperature']:g}</dd>" in text
    assert f"<dd>{sampling['max_response_tokens']:,} tokens</dd>" in text
    assert f"{run.config['seed']}; that of each step follows from it" in text
    assert "<dd>0, greedy</dd>" in page(detail_address(run, rollout_id(5, "greedy", 0)))
