"""Groups are summed up with their rollouts, found again where an older version recorded them, and go with them."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection

from rpt_core.analysis.patterns import PAPER, load_keywords
from rpt_core.positions.scored import ScoredDocument, positions_writer, to_table
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir, positions_file
from rpt_core.text.corpus import Document
from rpt_core.text.names import text_digest
from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.traces.models import PATTERNS, CorpusPosition, ResponseGroup, rollout_id
from tests.workers.emitted import emit_rollouts, rollout
from workers.recorder import Recorder

pytestmark = pytest.mark.django_db
TEXT = "So 3 + 4 = 7 apples."
PLACE = {"text_hash": text_digest(TEXT.encode()), "byte_offset": 11, "domain": "sums"}
RIGHT = {"prediction": b"7", "completion": b"7 apples.", "boundaries": [1, 8, 9], **PLACE}
WRONG = {**RIGHT, "reward": 0.0, "reason": "mismatch"}


def answers(step, *kinds, group=0, **more):
    """The responses of a group, each right, wrong, spaced, or without a box."""
    each = {
        "right": RIGHT,
        "wrong": {**WRONG, "prediction": b"8", "response": "a \\boxed{1}</think>\\boxed{8}"},
        "spaced": {**WRONG, "prediction": b" 7"},
        "none": {**WRONG, "prediction": None, "reason": "no_box", "finish_reason": "length", "response": "hm"},
    }
    rows = [rollout(step, 0, **each[kind], response_tokens=10 * (n + 1), **more) for n, kind in enumerate(kinds)]
    return [replace(row, group=group, sample=n) for n, row in enumerate(rows)]


def recorded(run, log, *shards):
    log.emit(EventType.STARTED, start_step=0, total_steps=9)
    for step, kind, rows in shards:
        emit_rollouts(run, log, step, rows, kind)
    Recorder(run).record_all()


def rows_of(run):
    return list(ResponseGroup.objects.filter(run_id=run.pk).order_by("step", "kind", "group").values())


def test_a_group_is_summed_up_as_by_hand(run, log):
    question = {"document": "q\0", "position": 0, "entropy_nats": None, "text_hash": text_digest(b"q"), "domain": None}
    rows = answers(1, "wrong", "right", "spaced", "none", "wrong")
    rows += answers(1, "right", group=1) + [
        replace(row, **question, byte_offset=-1) for row in answers(1, "none", "none", "right", group=2)
    ]
    recorded(run, log, (1, "train", rows))
    first, second, third = rows_of(run)
    assert (first["samples"], first["rewarded"], first["pass_rate"], first["predictions"]) == (5, 1, 0.2, 3)
    assert (bytes(first["majority"]), first["majority_rewarded"], first["disagreement"]) == (b"8", False, 0.6)
    assert (first["tokens_min"], first["tokens_mean"], first["tokens_max"]) == (10, 30, 50)
    assert [first[name] for name in ("match", "mismatch", "no_box", "cut", "white_space", "boxes")] == [
        1,
        3,
        1,
        1,
        1,
        2,
    ]
    assert (first["entropy_nats"], first["difficulty"], first["domain"]) == (1.5, 2, "sums")  # hard begins above 1.5
    assert [row["first_rollout"] for row in (first, second)] == [rollout_id(1, "train", row) for row in (0, 5)]
    assert (second["disagreement"], second["majority_rewarded"], second["boxes"]) == (0, True, 1)
    assert first["position_id"] == second["position_id"] != third["position_id"]
    place = CorpusPosition.objects.get(pk=first["position_id"])
    assert (bytes(place.text_hash), place.byte_offset) == (PLACE["text_hash"], 11)
    assert (third["document"], third["difficulty"], third["majority"], third["domain"]) == ("q\ufffd", None, None, "")


def test_a_group_has_the_patterns_of_its_thoughts(run, log):
    assert tuple(load_keywords(PAPER).groups) == PATTERNS
    thoughts = {
        0: [
            "neither adoptions nor waiters</think>wait \\boxed{7}",
            "no keyword</think>finally",
        ],  # within words; after it
        1: ["WAIT, think\u2003differently", "so\nlet us Break\n this down</think>"],
        2: ["a</think>b: conclusion, etc.</think>x"],
        3: ["éither, waité", "so wait, wait", "finally"],
    }
    rows = [
        replace(row, response=text)
        for group, texts in thoughts.items()
        for row, text in zip(answers(1, *["right"] * len(texts), group=group), texts, strict=True)
    ]
    recorded(run, log, (1, "train", rows))
    named = [[name for bit, name in enumerate(PATTERNS) if row["patterns"] >> bit & 1] for row in rows_of(run)]
    both = ["transition", "reflection", "breakdown"]
    assert named == [[], both, ["divergent_thinking", "deduction"], ["reflection", "deduction"]]
    ResponseGroup.objects.filter(run_id=run.pk).update(patterns=None)
    call_command("fill_in_groups")
    assert [row["patterns"] for row in rows_of(run)] == [0, 7, 48, 34]


def test_a_step_is_compared_with_those_before_and_with_the_greedy_response(run, log):
    steps = ["wrong", "right", "wrong", "right"]
    shards = [(step, "train", answers(step, answer)) for step, answer in enumerate(steps, 1)]
    shards += [(1, "sampled", answers(1, "wrong", "wrong", "right")), (1, "greedy", answers(1, "right"))]
    recorded(run, log, *shards)
    train = [row for row in rows_of(run) if row["kind"] == "train"]
    assert [(row["first_solved"], row["forgotten"]) for row in train] == [
        (False, False),
        (True, False),
        (False, True),
        (False, False),
    ]
    assert [row["greedy_alone"] for row in rows_of(run) if row["kind"] != "train"] == [False, True]


def test_forgotten_now_is_what_the_latest_group_at_a_position_says(run, log):
    def forgotten_now():
        found = ResponseGroup.objects.filter(run_id=run.pk, forgotten_now=True).order_by("step", "kind")
        return [(row.step, row.kind) for row in found]

    def record(*shards, elsewhere=None):
        for step, kind, answer in shards:
            place = {"position": 77} if step == elsewhere else {}
            emit_rollouts(run, log, step, answers(step, answer, **place), kind)
        Recorder(Run.objects.get(pk=run.pk)).record_all()

    log.emit(EventType.STARTED, start_step=0, total_steps=9)
    record((1, "train", "right"), (2, "train", "wrong"), (1, "greedy", "right"), (3, "greedy", "wrong"))
    assert forgotten_now() == [(2, "train"), (3, "greedy")]  # a kind is compared with itself
    record((4, "train", "wrong"), (5, "train", "right"), elsewhere=5)
    assert forgotten_now() == [(3, "greedy"), (4, "train")]
    record((2, "train", "wrong"))  # written again, when a later one is there
    assert forgotten_now() == [(3, "greedy"), (4, "train")]
    record((4, "train", "right"))
    assert forgotten_now() == [(3, "greedy")]
    record((4, "train", "right"), elsewhere=4)  # written again at another position: nothing came after step 2
    assert forgotten_now() == [(2, "train"), (3, "greedy")]
    record((6, "train", "right"))
    assert forgotten_now() == [(3, "greedy")]
    log.emit(EventType.STARTED, start_step=5, total_steps=9)  # resumed there: what came after is gone
    record()
    assert forgotten_now() == [(2, "train"), (3, "greedy")]
    ResponseGroup.objects.filter(run_id=run.pk).update(forgotten_now=False)  # as a version before has left them
    with connection.cursor() as cursor:
        cursor.execute(import_module("rpt_web.traces.migrations.0013_forgotten_now").FILL)
    assert forgotten_now() == [(2, "train"), (3, "greedy")]


def test_groups_keep_their_rows_when_written_again_and_go_with_their_steps_and_run(run, log):
    recorded(run, log, *((step, "train", answers(step, "wrong", "right")) for step in (1, 2, 3)))
    before = rows_of(run)
    emit_rollouts(run, log, 2, answers(2, "wrong", "right"))
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert rows_of(run) == before
    emit_rollouts(run, log, 3, answers(3, "right", group=5))  # the same step in other groups
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert [(row["step"], row["group"]) for row in rows_of(run)] == [(1, 0), (2, 0), (3, 5)]
    log.emit(EventType.STARTED, start_step=1, total_steps=9)
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert rows_of(run) == before[:1]
    run.delete()
    assert not rows_of(run)


@pytest.fixture
def scored(tmp_path):
    """A filter run's folder of positions, whose tokens are the words of TEXT."""
    pieces = [b"So", b" 3", b" +", b" 4", b" =", b" ", b"7", b" apples", b"."]
    offsets = [0, *np.cumsum([len(piece) for piece in pieces]).tolist()]
    document = ScoredDocument(Document("d1", TEXT), list(range(9)), offsets, np.ones(9, np.float32), 1)
    positions_file(tmp_path, "train").parent.mkdir(exist_ok=True)
    with positions_writer(positions_file(tmp_path, "train"), "x") as writer:
        writer.write_table(to_table([document]))
    return tmp_path


def test_runs_from_before_get_their_groups_from_shards_and_positions(submit, run, log, scored, capsys):
    other = services.claim(submit().pk, "test")
    old = {"text_hash": None, "byte_offset": None, "context_start": 0, "context_end": 4}
    asked = {"position": 0, "entropy_nats": None, "document": "q", "prompt": "Why?<think>"}
    shard = [replace(row, **old, position=6) for row in answers(1, "wrong", "right")]
    shard += [replace(row, **old, position=3) for row in answers(1, "right", group=1)]  # another text stands there
    shard += [replace(row, **old, **asked) for row in answers(1, "right", group=2)]
    recorded(run, log, (1, "train", shard))
    RunDir(other.directory).path.mkdir(parents=True)
    with EventLog(RunDir(other.directory).events, attempt=1) as log_of_other:
        recorded(other, log_of_other, (1, "train", answers(1, "right")))
    assert [row["position_id"] for row in rows_of(run)] == [None] * 3
    ResponseGroup.objects.filter(run_id=other.pk).delete()
    Run.objects.filter(pk=run.pk).update(config={"stage": "rpt", "positions": str(scored)})
    for _ in range(2):
        call_command("fill_in_groups")
        places = [row["position_id"] for row in rows_of(run)]
        assert places[0] == rows_of(other)[0]["position_id"] is not None
        assert places[1] is None
        assert bytes(CorpusPosition.objects.get(pk=places[2]).text_hash) == text_digest(b"Why?")
    assert f"run {run.pk}, {run.name}: 3 groups, 1 group without a position." in capsys.readouterr().out
