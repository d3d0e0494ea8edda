"""What a box can hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from rpt_core.config import PromptConfig
from rpt_core.positions.documents import is_boxable, read_documents
from rpt_core.problems.problem import ProblemSet
from rpt_core.text.tokens import token_bytes
from tests.rpt_core.problems.test_problem import write_positions


@pytest.mark.parametrize(
    ("prediction", "fits"),
    [
        (b"cat", True),
        (b" ", True),
        (b"{", True),
        (b"}", True),
        (b"}} \n", True),
        (b"{x}", True),
        (b"}{", False),
        (b"} x", False),
        (b"\\boxed", True),
        (b"\\boxed{", False),
        (b"a</think>", False),
        (b"\xf0\x9f", True),
        (b"}\xf0\x9f", False),
    ],
)
def test_a_box_gives_back_what_it_can_hold(prediction, fits):
    assert is_boxable(prediction) is fits


pieces = st.lists(st.sampled_from(["a", " ", "{", "}", "\\boxed", "\\boxed{", "</think>", "é", "\n"]), max_size=6)


@given(pieces, pieces)
def test_what_spoils_a_box_spoils_it_however_the_prediction_goes_on(first, more):
    first, more = ("".join(part).encode() for part in (first, more))
    assert is_boxable(first) or not is_boxable(first + more)


def with_a_token_that_no_box_can_hold(byte_level):
    """The tokenizer with one more token: `}{`."""
    state = json.loads(byte_level.backend_tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in vocabulary]
    vocabulary["}{"] = len(vocabulary)
    state["model"]["merges"].append(["}", "{"])
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), eos_token="<|end|>")


def test_positions_that_no_box_can_hold_are_left_out_and_counted(tmp_path, byte_level):
    tokenizer = with_a_token_that_no_box_can_hold(byte_level)
    folder = write_positions(tmp_path, tokenizer, ["a}{b{c} d"], kept=[1, 2])
    problems = ProblemSet.load(folder, "train", tokenizer, PromptConfig(template="plain"))
    (document,), _ = read_documents(folder, "train")
    pieces = token_bytes(tokenizer, document.token_ids.tolist())
    assert pieces[:3] == [b"a", b"}{", b"b"]
    assert problems.unboxable_positions == 1
    assert problems.token_index.tolist() == list(range(2, len(pieces)))
    assert [problems.token_index[n] for n in problems.kept()] == [2]
    assert problems.lost_positions == 0


def test_every_position_is_looked_at_as_is_boxable_does(tmp_path, byte_level):
    folder = write_positions(tmp_path, byte_level, ["The cat {sat} on < the </think>{{ mat", "and 12 dogs"])
    for document in read_documents(folder, "train")[0]:
        pieces = token_bytes(byte_level, document.token_ids.tolist())
        assert document.boxable().tolist() == [is_boxable(pieces[position]) for position in document.positions]
