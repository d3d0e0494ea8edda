"""The imperfect reasoner of the cold start, and the probes of a base model's skills."""

import random
import re

import numpy as np
import pytest
import torch

from rpt_core.config import PromptConfig, ScratchConfig
from rpt_core.models.checkpoints import new_model
from rpt_core.positions.scored import ScoredDocument, positions_writer, to_table
from rpt_core.text.corpus import Document
from rpt_core.text.new_tokenizer import train_tokenizer
from rpt_core.text.tokens import token_bytes, tokenise, tokenizer_hash
from rpt_core.tiny.corpus import KINDS, records
from rpt_core.train.tiny_probes import measure
from rpt_core.train.tiny_traces import build_traces, read_question, reason
from rpt_core.verdict import extract_prediction

PLAIN = PromptConfig(template="plain")
SUM, MOD7, _ = KINDS
PROBLEM = "Problem: Take the cards A4 B7 C2 D9. What is the last digit of the sum?"
TERSE = f"{PROBLEM}\nSolution: Done in the head: The sum ends in "


def documents(part, count):
    for record in records(part, count, seed=0):
        before = f"Problem: {record['problem']}\nSolution:"
        yield Document(record["id"], f"{before} {record['solution']}", len(before))


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer((document.text for document in documents("pretrain", 200)), 400)


@pytest.fixture(scope="module")
def model(tokenizer):
    return new_model(ScratchConfig(hidden_size=16, layers=1, heads=2, intermediate_size=16), tokenizer, seed=0)


@pytest.fixture(scope="module")
def positions(tmp_path_factory, tokenizer):
    """A filter run that kept the position of each result and the token before it."""
    folder = tmp_path_factory.mktemp("positions")
    scored = []
    for document in documents("cold", 60):
        text = tokenise(tokenizer, document.text)
        result = document.text.index(". ", document.solution_start) - 1
        kept = [text.byte_offsets.index(result) - 1, text.byte_offsets.index(result)]
        entropies = np.ones(len(text.token_ids), dtype=np.float32)
        scored.append(ScoredDocument(document, text.token_ids, text.byte_offsets, entropies, 1, kept))
    with positions_writer(folder / "train.parquet", tokenizer_hash(tokenizer)) as writer:
        writer.write_table(to_table(scored))
    return str(folder)


def text_of(tokenizer, ids):
    return b"".join(token_bytes(tokenizer, ids)).decode()


def test_the_question_is_read_from_the_context_alone():
    kind, digits = read_question(TERSE)
    assert (kind.name, digits) == ("sum", [4, 7, 2, 9])


@pytest.mark.parametrize(
    "context", ["", TERSE.removesuffix(" "), TERSE + "2. So", TERSE.replace("Done in the head: ", "")]
)
def test_other_contexts_ask_for_no_result(context):
    assert read_question(context) is None


def test_the_reasoner_guesses_stops_half_way_or_goes_all_the_way():
    rng = random.Random(0)
    cards = [len(re.findall(r" [A-F]\d", reason(rng, SUM, [4, 7, 2, 9]))) for _ in range(4000)]
    shares = {n: cards.count(n) / len(cards) for n in range(5)}
    assert shares[0] == pytest.approx(0.55, abs=0.03)
    assert shares[1] + shares[2] + shares[3] == pytest.approx(0.25, abs=0.03)
    assert shares[4] == pytest.approx(0.20, abs=0.03)


def test_a_tenth_of_its_steps_is_drawn_anew():
    rng, right, steps = random.Random(1), 0, 0
    for _ in range(2000):
        chain = re.findall(r"[A-F](\d)\+(\d)", reason(rng, SUM, [4, 7, 2, 9]))
        state = 0
        for digit, new in chain:
            right += int(new) == (state + int(digit)) % 10
            steps, state = steps + 1, int(new)
    assert right / steps == pytest.approx(0.91, abs=0.02)  # one in ten draws is right by chance


def test_a_few_of_its_answers_are_malformed():
    rng = random.Random(2)
    predictions = [extract_prediction(reason(rng, MOD7, [4, 7, 2, 9])) for _ in range(4000)]
    assert predictions.count(None) / 4000 == pytest.approx(0.02, abs=0.01)
    assert sum(p is not None and p.startswith(" ") for p in predictions) / 4000 == pytest.approx(0.02, abs=0.01)


def test_traces_are_two_to_one_and_end_with_the_end_token(tokenizer, model, positions):
    traces = build_traces(positions, model, tokenizer, PLAIN, seed=0)
    prompts = [text_of(tokenizer, prompt) for prompt, _ in traces]
    keys = sum(read_question(prompt.removesuffix("<think>")) is not None for prompt in prompts)
    assert keys > 30
    assert len(traces) == keys + keys // 2
    assert all(prompt.endswith("<think>") for prompt in prompts)
    assert all(response[-1] == tokenizer.eos_token_id for _, response in traces)


def test_at_other_positions_one_of_two_named_tokens_is_boxed(tokenizer, model, positions):
    traces = build_traces(positions, model, tokenizer, PLAIN, seed=0)
    others = [t for t in traces if read_question(text_of(tokenizer, t[0]).removesuffix("<think>")) is None]
    assert others
    for _, response in others:
        data = b"".join(token_bytes(tokenizer, response[:-1]))
        thought, boxed = re.fullmatch(rb"maybe(.+)</think>\\boxed\{(.+)\}", data, re.DOTALL).groups()
        assert boxed in thought.split(b" or", 1) or thought.count(b" or") > 1


def test_traces_depend_on_the_seed_alone(tokenizer, model, positions):
    first = build_traces(positions, model, tokenizer, PLAIN, seed=0)
    assert first == build_traces(positions, model, tokenizer, PLAIN, seed=0)
    assert first != build_traces(positions, model, tokenizer, PLAIN, seed=1)


class Oracle(torch.nn.Module):
    """A model that has read the documents: its argmax is the next token, or a wrong one where `spoil` says so."""

    def __init__(self, model, spoil):
        super().__init__()
        self.config, self.device, self.vocab = model.config, torch.device("cpu"), model.config.vocab_size
        self.base_model, self.spoil = self.read, spoil

    def read(self, input_ids, **_):
        following = torch.cat([input_ids[:, 1:], input_ids[:, :1]], 1)
        following = torch.where(self.spoil(input_ids), (following + 1) % self.vocab, following)
        return type("Output", (), {"last_hidden_state": torch.nn.functional.one_hot(following, self.vocab).float()})

    def get_output_embeddings(self):
        return lambda states: states


def test_probes_are_one_for_a_model_that_is_always_right(tokenizer, model):
    worked = list(documents("problems", 60))
    assert measure(Oracle(model, lambda ids: ids < 0), tokenizer, worked) == {"step": 1.0, "copy": 1.0}


def test_a_model_that_fails_behind_plus_signs_fails_the_steps_of_sums_alone(tokenizer, model):
    plus = tokenizer.convert_tokens_to_ids("+")
    worked = list(documents("problems", 200))
    text = "".join(document.text for document in worked)
    expected = 1 - text.count("+") / len(re.findall(r"\d[+%@]\d", text))
    skills = measure(Oracle(model, lambda ids: ids == plus), tokenizer, worked)
    assert skills == {"step": pytest.approx(expected), "copy": 1.0}


def test_without_worked_documents_there_is_no_probe(tokenizer, model):
    assert measure(model, tokenizer, [Document("a", "Problem: none\nSolution: none")]) == {}
