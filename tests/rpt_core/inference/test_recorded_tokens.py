"""Which tokens of a response become columns of its shard."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rpt_core.config import RptConfig
from rpt_core.inference.rollout import Rollout, token_ends
from rpt_core.inference.rows import recorded_tokens

PIECES = [b"so ", b"\\box", b"ed{", b" 1", b"2}", b" ok"]
IDS = [5, 6, 7, 8, 9, 10, 0]
NATS = [0.1 * n for n in range(7)]


def rollout(record, nats=None):
    return Rollout(
        IDS, b"".join(PIECES), [-0.5] * 7, "stop", record=record, token_ends=token_ends(PIECES, 7), entropies=nats
    )


def test_all_tokens_with_the_end_token_which_has_no_bytes():
    found = recorded_tokens(rollout("all", NATS), b" 12")
    assert (found.start, found.ids, found.ends) == (0, IDS, [3, 7, 10, 12, 14, 17, 17])
    assert found.entropies == NATS


def test_only_tokens_that_have_a_byte_inside_the_box():
    found = recorded_tokens(rollout("boxed", NATS), b" 12")
    assert (found.start, found.ids, found.ends, found.entropies) == (3, [8, 9], [12, 14], NATS[3:5])
    assert recorded_tokens(rollout("boxed"), b" 12").entropies is None


@pytest.mark.parametrize(("record", "prediction"), [("none", b" 12"), ("boxed", None), ("boxed", b"")])
def test_nothing_is_recorded_without_being_asked_for_and_of_a_box_that_is_not_there(record, prediction):
    assert recorded_tokens(rollout(record, NATS), prediction) is None


def test_the_engine_verl_refuses_in_words():
    values = {"stage": "rpt", "engine": "verl", "model": {"path": "m"}, "positions": "p"}
    with pytest.raises(ValidationError, match="does not support all"):
        RptConfig.model_validate(values | {"sampling": {"temperature": 1.0, "record_tokens": "all"}})
