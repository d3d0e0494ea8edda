"""Stage `ntp`: plain next-token prediction, from scratch (with a new tokenizer) or continued from a model.

In: an NtpConfig, documents. Out: checkpoints. The paper compares with continued next-token prediction (Table 2); the
small default pre-trains its base model here. Every document ends with the tokenizer's end token, which is learnt too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rpt_core.config import ModelConfig, NtpConfig
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import new_model
from rpt_core.run.context import StageContext
from rpt_core.text.corpus import Document, emit_corpus, load_corpus
from rpt_core.text.tokens import Tokenizer, prefix_ids, tokenise
from rpt_core.train.loop import TrainingLoop, load_trained
from rpt_core.train.supervised import Example, LengthBatches, limit_of, train_on

TOKENIZER_DOCUMENTS = 5000
"""A new tokenizer is trained on the first documents of the corpus: enough for its few hundred merges."""


def run(config: NtpConfig, context: StageContext) -> dict[str, Any]:
    """Train to the budget and return steps and compute for the `finished` event."""
    corpus = load_corpus(config.corpus)
    if not corpus.train:
        raise UserError("The training split is empty. Add documents, or lower `validation_share`.")
    model, tokenizer = _model(config, context, corpus.train)
    examples = make_examples(
        corpus.train, tokenizer, config.loss_on, longest_sequence(model, config.max_document_tokens)
    )
    batches = LengthBatches([len(e.ids) for e in examples], config.batch_documents, config.seed)
    loop = TrainingLoop(config, context, model, tokenizer, limit_of(config.budget, batches.per_epoch))
    loop.start()
    emit_corpus(corpus, context.log)
    train_on(loop, examples, batches, config.batch_tokens)
    result = {"steps": loop.step, "flops": loop.flops, "tokens": loop.tokens, **loop.sizes}
    return {**result, **_probes(config, model, tokenizer, corpus.validation)}


def make_examples(documents: Sequence[Document], tokenizer: Tokenizer, loss_on: str, max_tokens: int) -> list[Example]:
    """Documents as sequences; longer ones than max_tokens are cut into pieces. Pieces without loss are left out."""
    prefix, end = prefix_ids(tokenizer), [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    examples = []
    for document in documents:
        tokenised = tokenise(tokenizer, document.text)
        start = 0
        if loss_on == "solution":
            start = int(np.searchsorted(tokenised.byte_offsets[:-1], document.solution_start))
        ids = [*prefix, *tokenised.token_ids, *end]
        examples += _pieces(ids, max(1, len(prefix) + start), max_tokens)
    return examples


def _probes(config: NtpConfig, model: Any, tokenizer: Tokenizer, held_out: Sequence[Document]) -> dict[str, float]:
    """The skills of a model of the built-in corpus, on held-out documents; nothing for any other corpus."""
    if config.corpus.source != "tiny":
        return {}
    from rpt_core.train.tiny_probes import measure

    return {f"probe_{skill}": share for skill, share in measure(model, tokenizer, held_out).items()}


def longest_sequence(model: Any, configured: int) -> int:
    """The configured limit, or the model's when that is lower; in tokens."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return configured if limit is None else min(configured, limit)


def _pieces(ids: list[int], start: int, max_tokens: int) -> list[Example]:
    cuts = range(0, len(ids), max_tokens)
    pieces = [Example(ids[cut : cut + max_tokens], max(1, start - cut)) for cut in cuts]
    return [piece for piece in pieces if piece.start < len(piece.ids)]


def _model(config: NtpConfig, context: StageContext, documents: Sequence[Document]) -> tuple[Any, Tokenizer]:
    if config.model is not None:
        return load_trained(context, config.model)
    if (newest := context.run.newest_checkpoint()) is not None:
        return load_trained(context, ModelConfig(path=str(newest)))
    from rpt_core.text.new_tokenizer import train_tokenizer

    assert config.scratch is not None  # the config's validator wants one of the two
    texts = (document.text for document in documents[:TOKENIZER_DOCUMENTS])
    tokenizer = train_tokenizer(texts, config.scratch.vocab_size)
    return new_model(config.scratch, tokenizer, config.seed), tokenizer
