"""The token filter: entropies by hand, the scan in bounded memory, and a whole run."""

import json
from math import log

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from rpt_core.config import FilterConfig, ModelConfig, PromptConfig
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import load_model
from rpt_core.positions import stage
from rpt_core.positions.stage import full_entropy, run, score, top_k_entropy
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.stages import EXIT_FAILED, EXIT_FINISHED, run_stage
from rpt_core.text.corpus import Corpus, Document
from rpt_core.text.tokens import prefix_ids, tokenise, tokenizer_hash

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}


def random_model(vocab_size, kind=Qwen2ForCausalLM, config=Qwen2Config):
    torch.manual_seed(0)
    return kind(config(vocab_size=vocab_size, **SIZES)).eval()


def log_of(*shares):
    return torch.tensor([log(share) if share else -torch.inf for share in shares], dtype=torch.float64)


@pytest.mark.parametrize("text", ["x", "naïve 😀\U0010ffff\0", "a  b\n\n c", "1 2 3 " * 50, "<s>x</s>y"])
@pytest.mark.parametrize("name", ["byte_level", "llama_2"])
def test_no_document_has_more_tokens_than_the_engine_is_started_for(request, name, text):
    tokenizer = request.getfixturevalue(name)
    corpus = Corpus([Document("short", "x")], [Document("long", text)], 0, [], "corpus")
    tokens = [*prefix_ids(tokenizer), *tokenise(tokenizer, text).token_ids]
    assert len(tokens) <= stage.most_tokens(corpus) <= len(text.encode()) + 8


# The entropy by hand: of halves and quarters, 1/2 log 2 + 2 * 1/4 log 4 = 3/2 log 2.
def test_the_entropy_of_known_distributions():
    uniform = torch.zeros(3, 5, 100)
    assert top_k_entropy(uniform).shape == (3, 5)
    assert top_k_entropy(uniform) == pytest.approx(log(16))
    assert top_k_entropy(uniform, k=2) == pytest.approx(log(2))
    assert top_k_entropy(log_of(0.5, 0.25, 0.25)).item() == pytest.approx(1.5 * log(2))
    assert top_k_entropy(log_of(1, 0, 0)).item() == 0.0


def test_renormalised_and_partial_differ_by_the_mass_left_out():
    logits = log_of(0.5, 0.125, 0.25, 0.125) + 7.0
    # Top two are 1/2 and 1/4: renormalised 2/3 and 1/3.
    renormalised = 2 / 3 * log(3 / 2) + 1 / 3 * log(3)
    assert top_k_entropy(logits, k=2).item() == pytest.approx(renormalised)
    assert top_k_entropy(logits, k=2, renormalise=False).item() == pytest.approx(0.5 * log(2) + 0.25 * log(4))
    assert full_entropy(logits).item() == pytest.approx(0.5 * log(2) + 0.25 * log(4) + 2 * 0.125 * log(8))


def test_all_kinds_agree_when_k_covers_the_vocabulary():
    logits = torch.randn(7, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    full = full_entropy(logits)
    assert top_k_entropy(logits, k=16).tolist() == pytest.approx(full.tolist())
    assert top_k_entropy(logits, k=10, renormalise=False).tolist() == pytest.approx(full.tolist())


def test_narrow_numbers_are_summed_in_float32():
    logits = torch.randn(50, 1000, generator=torch.Generator().manual_seed(1)).bfloat16()
    for renormalise in (True, False):
        wide = top_k_entropy(logits.double(), renormalise=renormalise)
        found = top_k_entropy(logits, renormalise=renormalise)
        assert found.dtype == torch.float32
        assert found.tolist() == pytest.approx(wide.tolist(), abs=1e-5)


@pytest.mark.parametrize("vocabulary", [8192, 20_000, 20_011, 32_063])
def test_the_k_largest_of_a_large_vocabulary_are_found_wherever_they_are(vocabulary):
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(6, vocabulary, generator=generator, dtype=torch.float64)
    logits[1, 128:192] += 9  # all in one block
    logits[2, -20:] += 9  # in the rest after the last whole block
    logits[3] = logits[3].round()  # equal ones
    logits[4, ::700] += 9  # far apart
    top = logits.sort(-1, descending=True).values[:, :16].softmax(-1)
    assert top_k_entropy(logits).tolist() == pytest.approx((-(top * top.log()).sum(-1)).tolist())


def direct_scores(model, ids, kind):
    """Entropy and argmax at each token from one plain forward pass in double precision."""
    logits = model(torch.tensor([ids])).logits[0, :-1].double()
    shares = logits.softmax(-1).sort(descending=True).values
    if kind != "full":
        shares = shares[:, :16]
    if kind == "renormalised":
        shares = shares / shares.sum(-1, keepdim=True)
    return -(shares * shares.log()).sum(-1), logits.argmax(-1)


@pytest.mark.parametrize("kind", ["renormalised", "partial", "full"])
@pytest.mark.parametrize(("model", "config"), [(Qwen2ForCausalLM, Qwen2Config), (LlamaForCausalLM, LlamaConfig)])
def test_scores_are_those_of_a_plain_forward_pass(kind, model, config):
    model = random_model(300, model, config)
    rng = np.random.default_rng(0)
    sequences = [rng.integers(0, 300, length).tolist() for length in (5, 1, 40, 64, 0, 2, 33, 33)]
    found = score(model, sequences, entropy=kind, batch_tokens=100, chunk_positions=7)
    for ids, scores in zip(sequences, found, strict=True):
        assert len(scores.entropies) == len(scores.argmax_ids) == len(ids)
        assert np.isnan(scores.entropies[:1]).all()
        assert (scores.argmax_ids[:1] == -1).all()
        if len(ids) > 1:
            entropies, argmax = direct_scores(model, ids, kind)
            assert scores.entropies[1:] == pytest.approx(entropies.tolist(), abs=1e-5)
            assert scores.argmax_ids[1:].tolist() == argmax.tolist()
            highest = model(torch.tensor([ids])).logits[0, :-1].double().softmax(-1).amax(-1)
            assert scores.highest_probabilities[1:] == pytest.approx(highest.tolist(), abs=1e-5)
        assert scores.highest_probabilities.dtype == np.float32
        assert np.isnan(scores.highest_probabilities[:1]).all()


def test_the_highest_probability_of_narrow_logits_is_summed_in_float32():
    model = random_model(9000).bfloat16()
    model.config.max_position_embeddings = 1000
    ids = np.random.default_rng(0).integers(0, 9000, 300).tolist()
    found = score(model, [ids])[0].highest_probabilities[1:]
    logits = model(torch.tensor([ids])).logits[0, :-1]
    assert logits.dtype == torch.bfloat16
    assert found == pytest.approx(logits.double().softmax(-1).amax(-1).tolist(), rel=2e-2)


@pytest.mark.parametrize("vocabulary", [8192, 9001])
def test_scores_of_a_large_vocabulary_are_those_of_a_plain_forward_pass(vocabulary):
    model = random_model(vocabulary)
    ids = np.random.default_rng(0).integers(0, vocabulary, 60).tolist()
    scores = score(model, [ids])[0]
    entropies, argmax = direct_scores(model, ids, "renormalised")
    assert scores.entropies[1:] == pytest.approx(entropies.tolist(), abs=1e-5)
    assert scores.argmax_ids[1:].tolist() == argmax.tolist()


def test_a_document_longer_than_the_model_is_read_in_overlapping_windows():
    model = random_model(300)
    ids = np.random.default_rng(0).integers(0, 300, 150).tolist()
    entropies = score(model, [ids])[0].entropies
    assert np.isfinite(entropies[1:]).all()
    # 64 tokens at most, each new stretch after 32 old ones: 0-64, 32-96, 64-128, 96-150.
    for start, end, new in ((0, 64, 1), (32, 96, 64), (64, 128, 96), (96, 150, 128)):
        direct, _ = direct_scores(model, ids[start:end], "renormalised")
        assert entropies[new:end] == pytest.approx(direct[new - start - 1 :].tolist(), abs=1e-5)


def test_logits_never_exist_for_more_positions_than_a_chunk():
    model = random_model(300)
    seen = []
    model.lm_head.register_forward_hook(lambda _, inputs, output: seen.append(output.shape[:-1].numel()))
    score(model, [[1] * 50, [2] * 30], chunk_positions=16)
    assert max(seen) == 16
    assert sum(seen) == 49 + 29


def test_a_batch_holds_no_more_padded_tokens_than_allowed():
    model = random_model(300)
    seen = []
    model.model.register_forward_hook(
        lambda _, inputs, options, output: seen.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    score(model, [[1] * length for length in (3, 60, 2, 30, 31)], batch_tokens=64)
    assert seen == [(1, 60), (2, 31), (2, 3)]


def test_scoring_leaves_the_model_as_it_was():
    model = random_model(300).train()
    score(model, [[1, 2, 3]])
    assert model.training


def test_models_that_rescale_their_logits_are_refused():
    model = random_model(300)
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(UserError, match="final_logit_softcapping"):
        score(model, [[1, 2, 3]])


# Whole runs.


@pytest.fixture
def proxy(tmp_path, byte_level):
    folder = tmp_path / "proxy"
    random_model(len(byte_level)).save_pretrained(folder)
    byte_level.save_pretrained(folder)
    return folder


@pytest.fixture
def documents(tmp_path):
    path = tmp_path / "documents.jsonl"
    records = [
        {"problem": f"Find {n} + {n}.", "solution": f"It is {2 * n}, e\u0301 漢 😀.", "domain": "sums", "id": f"d{n}"}
        for n in range(300)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


MAPPING = {"text": None, "problem": "problem", "solution": "solution", "id": "id", "domain": "domain"}


def config_for(proxy, documents, **options):
    corpus = {"paths": [str(documents)], "mapping": MAPPING, "validation_share": 0.1}
    return FilterConfig(corpus=corpus, proxy={"path": str(proxy)}, **options)


def both(row):
    """Entropies and highest probabilities of a row's positions."""
    return row["entropies"][row["candidates_from"] :], row["highest_probabilities"][row["candidates_from"] :]


def rows(run_dir, split):
    return pq.read_table(run_dir.positions / f"{split}.parquet").to_pylist()


def test_a_run_writes_both_splits_and_says_so(tmp_path, proxy, documents, byte_level):
    run_dir = RunDir(tmp_path / "run")
    run_dir.create(config_for(proxy, documents, min_entropy_nats=2.5))
    assert run_stage("filter", run_dir) == EXIT_FINISHED
    events = list(read_events(run_dir.events))
    assert events[0].type == EventType.STARTED
    assert events[0].data["total_steps"] == 300
    assert events[1].type == EventType.CORPUS
    positions = {e.data["split"]: e.data for e in events if e.type == EventType.POSITIONS}
    assert events[-1].type == EventType.FINISHED
    result = events[-1].data["result"]
    names = []
    for split in ("train", "validation"):
        found = rows(run_dir, split)
        names += [row["document"] for row in found]
        candidates = [e for row in found for e in row["entropies"][row["candidates_from"] :]]
        kept = [row["entropies"][i] for row in found for i in row["kept"]]
        assert positions[split]["documents"] == result[f"{split}_documents"] == len(found)
        assert positions[split]["positions"] == result[f"{split}_positions"] == len(candidates)
        assert positions[split]["kept"] == result[f"{split}_kept"] == len(kept)
        assert 0 < len(kept) < len(candidates)
        assert sorted(kept) == sorted(e for e in candidates if e >= 2.5)
        for name, nats in (("easy", 0.5), ("medium", 1.0), ("hard", 1.5)):
            assert positions[split]["by_difficulty"][name] == sum(e > nats for e in candidates)
        summary = positions[split]["summary"]
        assert sum(summary["counts"]) == len(candidates)
        assert sum(summary["counts"][250:]) == len(kept)
        known = {(round(e, 4), round(p, 4)) for row in found for e, p in zip(*both(row), strict=True)}
        assert len(summary["points"]) > 200
        assert {tuple(point) for point in summary["points"]} <= known
    assert sorted(names) == sorted(f"d{n}" for n in range(300))
    assert sorted(file.name for file in run_dir.positions.iterdir()) == ["train.parquet", "validation.parquet"]


def test_a_row_holds_the_document_in_the_proxys_tokens(tmp_path, proxy, documents):
    model, tokenizer = load_model(ModelConfig(path=str(proxy)))
    run_dir = RunDir(tmp_path / "run")
    run_dir.create(config_for(proxy, documents))
    assert run_stage("filter", run_dir) == EXIT_FINISHED
    with pq.ParquetFile(run_dir.positions / "train.parquet") as file:
        assert file.num_row_groups == 2
        assert file.schema_arrow.metadata[b"tokenizer_hash"].decode() == tokenizer_hash(tokenizer)
    row = rows(run_dir, "train")[0]
    tokenised = tokenise(tokenizer, row["text"])
    assert row["text"].startswith("Problem: Find ")
    assert row["text"].encode()[row["solution_start"] :].startswith(b" It is ")
    assert row["token_ids"] == tokenised.token_ids
    assert row["byte_offsets"] == tokenised.byte_offsets
    assert (row["domain"], row["candidates_from"]) == ("sums", 1)
    direct, _ = direct_scores(model, row["token_ids"], "renormalised")
    highest = model(torch.tensor([row["token_ids"]])).logits[0, :-1].double().softmax(-1).amax(-1)
    assert row["highest_probabilities"][1:] == pytest.approx(highest.tolist(), abs=1e-5)
    assert np.isnan(row["highest_probabilities"][0])
    assert np.isnan(row["entropies"][0])
    assert row["entropies"][1:] == pytest.approx(direct.tolist(), abs=1e-5)


def test_positions_may_be_limited_to_the_solution(tmp_path, proxy, documents, byte_level):
    run_dir = RunDir(tmp_path / "run")
    run_dir.create(config_for(proxy, documents, positions_from="solution", min_entropy_nats=0))
    assert run_stage("filter", run_dir) == EXIT_FINISHED
    for row in rows(run_dir, "train"):
        first = row["candidates_from"]
        assert row["byte_offsets"][first] == row["solution_start"]
        assert row["kept"] == list(range(first, len(row["token_ids"])))
    problems = ProblemSet.load(run_dir.positions, "train", byte_level, PromptConfig(template="plain"))
    assert problems.problem(0).completion.startswith(b" It is ")
    assert len(problems.kept()) == len(problems)


def test_text_that_the_tokenizer_composes_is_stored_as_it_sees_it(tmp_path, documents, byte_level_nfc):
    random_model(len(byte_level_nfc)).save_pretrained(tmp_path / "nfc")
    byte_level_nfc.save_pretrained(tmp_path / "nfc")
    texts = [f"Zahl {n}: e\u0301e\u0301" for n in range(20)]
    path = tmp_path / "accents.jsonl"
    path.write_text("".join(json.dumps({"problem": text, "solution": "u\u0308"}) + "\n" for text in texts))
    corpus = {"paths": [str(path)], "mapping": "omni_math", "validation_share": 0}
    run_dir = RunDir(tmp_path / "run")
    run_dir.create(FilterConfig(corpus=corpus, proxy={"path": str(tmp_path / "nfc")}, positions_from="solution"))
    assert run_stage("filter", run_dir) == EXIT_FINISHED
    for row in rows(run_dir, "train"):
        assert row["text"].encode()[row["solution_start"] :] == " ü".encode()
        assert row["byte_offsets"][-1] == len(row["text"].encode())
        assert row["byte_offsets"][row["candidates_from"]] == row["solution_start"]
    warnings = [e.data["message"] for e in read_events(run_dir.events) if e.type == EventType.LOG]
    assert any("20 documents" in message for message in warnings)


def test_equal_seeds_write_equal_files(tmp_path, proxy, documents):
    kept = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        run_dir = RunDir(tmp_path / name)
        run_dir.create(config_for(proxy, documents, keep="random", keep_share=0.3, seed=seed))
        assert run_stage("filter", run_dir) == EXIT_FINISHED
        kept.append([row["kept"] for row in rows(run_dir, "train")])
    assert kept[0] == kept[1] != kept[2]


def test_a_stop_is_clean_between_batches(tmp_path, proxy, documents):
    run_dir = RunDir(tmp_path / "run")
    config = config_for(proxy, documents)
    run_dir.create(config)
    with EventLog(run_dir.events) as log:
        context = StageContext(run_dir, log, stop_requested=True)
        with pytest.raises(StopRequested):
            run(config, context)
    assert not (run_dir.positions / "train.parquet").exists()
    assert run_stage("filter", run_dir) == EXIT_FINISHED


def test_a_proxy_with_damaged_weights_is_refused(tmp_path, documents, byte_level):
    model = random_model(len(byte_level))
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    model.save_pretrained(tmp_path / "broken")
    byte_level.save_pretrained(tmp_path / "broken")
    run_dir = RunDir(tmp_path / "run")
    run_dir.create(config_for(tmp_path / "broken", documents))
    assert run_stage("filter", run_dir) == EXIT_FAILED
    assert "not finite" in list(read_events(run_dir.events))[-1].data["message"]
