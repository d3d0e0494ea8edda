"""Small tokenizers of each family, built from a few sentences; the taught model and the positions of a filter run."""

import json
import sys

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests import warm_python

SENTENCES = [
    "The cat sat on the mat, and the dog sat on the cat.",
    "We add 12 and 30 to get 42. So the answer is \\boxed{42}.",
    "Ein Bär läuft über die Brücke. 漢字かな交じり文と漢字。",
    "naïve café 😀😀👍🏽 don't stop\n\n  indented code:\n\treturn x",
]
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_level_tokenizer(normalizer=None, vocab_size=420):
    """Byte-level BPE as in Qwen2, with an added token that is special and two that are not."""
    tokenizer = Tokenizer(models.BPE())
    words = Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer.add_tokens([AddedToken("</think>", normalized=False), AddedToken("é|", normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")


def metaspace_tokenizer(style):
    """BPE over U+2581 with <0x00> to <0xFF> for what it does not know, in the styles found in released models.

    legacy: Llama 2 (a normaliser puts a space before each stretch of text, <s> before all), first and always:
    Metaspace with that prefix scheme, none: Gemma (no space is added).
    """
    tokenizer = Tokenizer(_metaspace_model())
    spaces, strip = normalizers.Replace(" ", "▁"), decoders.Strip(" ", 1, 0)
    plain = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if style in ("first", "always"):
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=style, split=style == "always")
        tokenizer.decoder = decoders.Sequence([*plain, strip])
    elif style == "legacy":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces])
        tokenizer.decoder = decoders.Sequence([*plain, strip])
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    else:
        tokenizer.normalizer, tokenizer.decoder = spaces, decoders.Sequence(plain)
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens([AddedToken("<tag>", normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _metaspace_model():
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.train_from_iterator(SENTENCES[:2] * 3, trainers.BpeTrainer(vocab_size=120, show_progress=False))
    state = json.loads(trained.to_str())["model"]
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *BYTE_TOKENS])}
    for token in state["vocab"]:
        vocabulary.setdefault(token, len(vocabulary))
    merges = [tuple(merge) for merge in state["merges"]]
    return models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)


@pytest.fixture(scope="session")
def byte_level():
    """A byte-level tokenizer. Tests must not change it."""
    return byte_level_tokenizer()


@pytest.fixture(scope="session")
def byte_level_nfc():
    """A byte-level tokenizer that composes characters first, as Qwen2's does."""
    return byte_level_tokenizer(normalizers.NFC())


@pytest.fixture(scope="session", params=["legacy", "first", "always", "none"])
def metaspace(request):
    """A Metaspace tokenizer of each style. Tests must not change it."""
    return metaspace_tokenizer(request.param)


@pytest.fixture(scope="session")
def llama_2():
    """A Metaspace tokenizer that puts <s> and a space before a text."""
    return metaspace_tokenizer("legacy")


@pytest.fixture(scope="session")
def warm_executable():
    """The path of a Python that starts stages quickly."""
    with warm_python.started() as path:
        yield path


@pytest.fixture
def warm(monkeypatch, warm_executable):
    """Stages that are started in processes of their own find torch loaded."""
    monkeypatch.setattr(sys, "executable", warm_executable)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The config of the taught model. Tests must not change its files."""
    from tests.rpt_core import stages

    return stages.save_taught(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def filtered(tmp_path_factory, model):
    """The positions of a filter run of the taught model over its corpus, none left out."""
    from tests.rpt_core import stages

    folder = tmp_path_factory.mktemp("filter")
    corpus = stages.write_corpus(folder / "corpus.jsonl")
    config = {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 0.0}
    stages.run_stage(folder / "run", config)
    return str(folder / "run" / "positions")
