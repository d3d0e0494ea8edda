"""Stage `sft`: teach the response format on few traces (cold start), or continue with it as a baseline.

In: an SftConfig, traces (prompt, response), documents to replay. Out: checkpoints. The paper starts from a model that
reasons already; a model without that skill needs this stage before RPT. The loss counts responses only, end token
included, and of replayed documents the solution part, as in `ntp`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rpt_core.config import PROMPT_DATE, SftConfig
from rpt_core.errors import UserError
from rpt_core.files import write_whole
from rpt_core.problems.chat import MARK, chat_frame
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.seeds import derive_seed
from rpt_core.text.corpus import Corpus, emit_corpus, load_corpus
from rpt_core.text.files import record_file
from rpt_core.text.readers import read_records
from rpt_core.text.tokens import (
    Tokenizer,
    begun,
    control_ids,
    encode,
    encode_within,
    end_token_ids,
    ended,
    prefix_ids,
)
from rpt_core.train.loop import TrainingLoop, load_trained
from rpt_core.train.ntp import longest_sequence, make_examples
from rpt_core.train.supervised import Example, LengthBatches, limit_of, train_on
from rpt_core.words import counted

Trace = tuple[list[int], list[int]]
"""Ids of a prompt and of the response to it, end token included."""


def run(config: SftConfig, context: StageContext) -> dict[str, Any]:
    """Train to the budget and return steps, compute and counts for the `finished` event."""
    model, tokenizer = load_trained(context, config.model)
    longest = longest_sequence(model, config.max_document_tokens)
    found = _traces(config, context, model, tokenizer)
    traces = _fitting(found, longest)
    corpus = None if config.replay is None else load_corpus(config.replay)
    replayed = [] if corpus is None else _replayed(config, corpus, tokenizer, len(traces), longest)
    examples = [Example([*prompt, *response], len(prompt)) for prompt, response in traces] + replayed
    batches = LengthBatches([len(e.ids) for e in examples], config.batch_documents, config.seed)
    loop = TrainingLoop(config, context, model, tokenizer, limit_of(config.budget, batches.per_epoch))
    loop.start()
    if corpus is not None:
        emit_corpus(corpus, context.log)
    if len(traces) < len(found):
        message = f"{counted(len(found) - len(traces), 'trace')} left out: longer than {longest} tokens."
        context.log.emit(EventType.LOG, level="warning", message=message)
    train_on(loop, examples, batches, config.batch_tokens)
    spent = {"steps": loop.step, "flops": loop.flops, "tokens": loop.tokens}
    return {**spent, "traces": len(traces), "replayed_documents": len(replayed)}


def read_traces(path: Path, tokenizer: Tokenizer, end_ids: Sequence[int] = ()) -> list[Trace]:
    """Traces from a file of records. The prompt is the whole text before the response, special tokens written out.

    The begin token and the end token stand there once, whether or not the texts have them written out. end_ids: ids
    that end a response beside the tokenizer's own. Raises UserError for a file that cannot be read, and naming the line
    that is no object with the texts `prompt` and `response`.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist. Name a file of records with the fields prompt and response.")
    chat, traces = _chat_start(tokenizer), []
    for number, record in read_records(record_file(path), ("prompt", "response")):
        prompt, response = _parse(record, f"{path}, line {number}")
        ids = encode(tokenizer, prompt)
        is_chat = chat is not None and ids[:1] == [chat]
        response_ids = ended(tokenizer, encode_within(tokenizer, response), end_ids)
        traces.append((ids if is_chat else begun(tokenizer, ids), response_ids))
    return traces


def _chat_start(tokenizer: Tokenizer) -> int | None:
    """The control token that a rendered chat begins with where it begins otherwise than a text; else None.

    Such a prompt gets nothing put before it, since RPT's prompts, rendered by the same template, have nothing there.
    """
    prefix = prefix_ids(tokenizer)
    if not prefix or not tokenizer.chat_template:
        return None
    try:
        before, _ = chat_frame(tokenizer, MARK, PROMPT_DATE)
    except UserError:
        return None  # traces are rendered already, and do not need the template
    start = encode(tokenizer, before)[:1]
    return start[0] if start and start != prefix[:1] and start[0] in control_ids(tokenizer) else None


def _parse(record: Any, where: str) -> tuple[str, str]:
    texts = [record.get(name) for name in ("prompt", "response")] if isinstance(record, dict) else []
    match texts:
        case [str(prompt), str(response)] if prompt and response:
            return prompt, response
    raise UserError(
        f"{where}: expected a JSON object with the texts `prompt` and `response`. Correct or remove the line."
    )


def _traces(config: SftConfig, context: StageContext, model: Any, tokenizer: Tokenizer) -> list[Trace]:
    """The traces; those that a model helped to write are kept in the run's folder, since that model changes."""
    if config.traces.source == "file":
        ends = end_token_ids(model.generation_config, tokenizer)
        traces = read_traces(Path(str(config.traces.path)), tokenizer, ends)
    else:
        traces = _kept_traces(config, context, model, tokenizer)
    return traces


def _fitting(traces: list[Trace], longest: int) -> list[Trace]:
    """The traces that are not too long. Raises UserError when there is none."""
    fitting = [(prompt, response) for prompt, response in traces if len(prompt) + len(response) <= longest]
    if not fitting:
        raise UserError(
            f"There is no trace of at most {longest} tokens to learn from. Name a file with at least one, or another "
            "filter run, or raise `max_document_tokens`."
        )
    return fitting


def _kept_traces(config: SftConfig, context: StageContext, model: Any, tokenizer: Tokenizer) -> list[Trace]:
    file = context.run.traces
    if not file.exists():
        from rpt_core.train.tiny_traces import build_traces

        built = build_traces(str(config.traces.positions), model, tokenizer, config.prompt, config.seed)
        write_whole(file, "".join(json.dumps(trace) + "\n" for trace in built).encode())
    traces = (json.loads(line) for line in file.read_bytes().splitlines())
    return [(prompt, response) for prompt, response in traces]


def _replayed(config: SftConfig, corpus: Corpus, tokenizer: Tokenizer, traces: int, longest: int) -> list[Example]:
    documents = corpus.train
    random = np.random.default_rng(derive_seed(config.seed, "replay"))
    chosen = random.permutation(len(documents))[: round(config.replay_share * traces)]
    return make_examples([documents[i] for i in chosen], tokenizer, "solution", longest)
