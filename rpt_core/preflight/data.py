"""What is known of a run's data before it starts: volumes, and the first prompt as the model will get it.

In: a stage's config, the model's tokenizer where there is one. Out: a Data. Volumes come from the data itself where it
is there, from a sample of a corpus, and from the config's limits where an earlier run has yet to make it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from rpt_core.config import (
    BenchmarkConfig,
    BudgetConfig,
    CorpusConfig,
    FilterConfig,
    HeldOutConfig,
    NtpConfig,
    PromptConfig,
    QuestionsConfig,
    RlvrConfig,
    SftConfig,
    StageConfig,
    TemplatesConfig,
)
from rpt_core.preflight.corpus_sample import SAMPLE_BYTES, SAMPLE_DOCUMENTS, sample_corpus
from rpt_core.preflight.question_sample import AskedQuestions, sample_choices, sample_questions
from rpt_core.run.events import read_events
from rpt_core.run.folder import RunDir

BYTES_PER_TOKEN = 4.0
"""Of a large vocabulary on natural text, while there is no tokenizer to ask."""
NEW_TOKENIZER_BYTES_PER_TOKEN = 2.0
"""Of the few hundred tokens of a model from scratch."""


@dataclass(frozen=True)
class FirstPrompt:
    """The first prompt, rendered, special tokens included."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Data:
    """Volumes of a run's data; see `work` for how they are used."""

    corpus_tokens: float = 0
    sequences: float = 0
    """Documents, traces, questions or kept positions in one pass over the data."""
    prompt_tokens: float = 0
    """Mean tokens of a prompt."""
    longest_prompt: int | None = None
    """Most tokens of a prompt that is trained on; None while only the config's limit is known."""
    held_out_positions: float = 0
    other_flops: float = 0
    """Training compute of the run whose budget is spent again; 0 while unknown."""
    first_prompt: FirstPrompt | None = None
    is_complete: bool = True
    """Nothing has yet to be made by an earlier run."""
    notes: tuple[str, ...] = ()
    """What a reader of the data would say of it: files that look like data and are not read."""


@dataclass(frozen=True)
class Volume:
    """How much text a corpus has."""

    documents: float
    tokens: float
    notes: tuple[str, ...]


def read_data(config: StageConfig, tokenizer: Any | None) -> Data:
    """The data of a config. Raises UserError for data that is named but not there, or not usable."""
    data = _READERS[config.stage](config, tokenizer) if config.stage in _READERS else Data()
    budget = getattr(config, "budget", None)
    return _with_other_flops(data, budget) if isinstance(budget, BudgetConfig) else data


def is_pending(path: str | None) -> bool:
    """Whether a path is a reference to what an earlier run of a suite will make."""
    return path is not None and path.startswith("@")


def _corpus(corpus: CorpusConfig, tokenizer: Any | None, bytes_per_token: float) -> Volume:
    """Documents and tokens of both splits together, from the first documents where there are many."""
    sample = sample_corpus(corpus)
    tokens = sum(_length(text, tokenizer, bytes_per_token) for text in sample.texts) / len(sample.texts)
    return Volume(sample.documents, sample.documents * tokens, sample.notes)


def _length(text: str, tokenizer: Any | None, bytes_per_token: float) -> float:
    if tokenizer is None:
        return len(text.encode()) / bytes_per_token
    from rpt_core.text.tokens import encode

    return len(encode(tokenizer, text, parse_special=False))


def _of_filter(config: FilterConfig, tokenizer: Any | None) -> Data:
    found = _corpus(config.corpus, tokenizer, BYTES_PER_TOKEN)
    return Data(corpus_tokens=found.tokens, sequences=found.documents, notes=found.notes)


def _of_ntp(config: NtpConfig, tokenizer: Any | None) -> Data:
    per_token = NEW_TOKENIZER_BYTES_PER_TOKEN if config.scratch else BYTES_PER_TOKEN
    found = _corpus(config.corpus, tokenizer, per_token)
    share = 1 - config.corpus.validation_share
    return Data(corpus_tokens=found.tokens * share, sequences=found.documents * share, notes=found.notes)


def _of_sft(config: SftConfig, tokenizer: Any | None) -> Data:
    if config.traces.source == "file" and config.traces.path and not is_pending(config.traces.path):
        traces, tokens, known = (*_traces_in(Path(config.traces.path), tokenizer), True)
    else:
        traces, tokens, known = _tiny_traces(str(config.traces.positions), tokenizer)
    replayed, notes = 0.0, tuple[str, ...]()
    if config.replay is not None:
        found = _corpus(config.replay, tokenizer, BYTES_PER_TOKEN)
        replayed = min(found.documents, config.replay_share * traces)
        tokens += replayed * found.tokens / max(found.documents, 1)
        notes = found.notes
    return Data(corpus_tokens=tokens, sequences=traces + replayed, is_complete=known, notes=notes)


def _traces_in(path: Path, tokenizer: Any | None) -> tuple[float, float]:
    """Number and tokens of the traces in a file, from the first of them."""
    from rpt_core.text.files import record_file
    from rpt_core.text.readers import ReadingProgress, read_records

    progress, traces, tokens = ReadingProgress(), 0, 0.0
    for _, record in read_records(record_file(path), ("prompt", "response"), progress):
        texts = [record.get(name) for name in ("prompt", "response")] if isinstance(record, dict) else []
        traces += 1
        tokens += sum(_length(str(text), tokenizer, BYTES_PER_TOKEN) for text in texts)
        if traces >= SAMPLE_DOCUMENTS and progress.share * path.stat().st_size >= SAMPLE_BYTES:
            return traces / progress.share, tokens / progress.share
    return float(traces), tokens


def _tiny_traces(positions: str, tokenizer: Any | None) -> tuple[float, float, bool]:
    """Traces of the built-in reasoner: about 1.2 for each document, of a prompt and a thought of 25 tokens."""
    if is_pending(positions) or tokenizer is None:
        return 0.0, 0.0, False
    problems = _problems(positions, "train", tokenizer, PromptConfig(template="plain"))
    documents = len(set(problems.document_index.tolist()))
    traces = 1.2 * documents
    return traces, traces * (_mean_prompt(problems) + 25), True


def _of_positions(config: Any, tokenizer: Any | None) -> Data:
    data = Data(prompt_tokens=config.prompt.max_prompt_tokens, is_complete=False)
    if not is_pending(config.positions) and tokenizer is not None:
        problems = _problems(config.positions, "train", tokenizer, config.prompt)
        kept = len(problems.kept())
        data = Data(
            sequences=kept,
            prompt_tokens=_mean_prompt(problems),
            longest_prompt=_longest_prompt(problems),
            first_prompt=_first(problems),
        )
    return data if config.evaluation is None else _with_held_out(data, config.evaluation, tokenizer, config.prompt)


def _of_evaluate(config: Any, tokenizer: Any | None) -> Data:
    empty = Data(prompt_tokens=config.prompt.max_prompt_tokens, is_complete=False)
    return _with_held_out(empty, config.evaluation, tokenizer, config.prompt)


def _of_templates(config: TemplatesConfig, tokenizer: Any | None) -> Data:
    prompt = PromptConfig(
        template=config.templates[0],
        max_prompt_tokens=config.max_prompt_tokens,
        completion_tokens=config.completion_tokens,
        date=config.prompt_date,
    )
    empty = Data(prompt_tokens=prompt.max_prompt_tokens, is_complete=False)
    return _with_held_out(empty, config.held_out, tokenizer, prompt)


def _with_held_out(data: Data, held_out: HeldOutConfig, tokenizer: Any | None, prompt: PromptConfig) -> Data:
    """How many positions are measured on, and their prompts. The nested levels overlap, so 3 n is an upper limit."""
    most = float(len(held_out.listed_positions)) or 3.0 * held_out.positions_per_difficulty
    if is_pending(held_out.positions) or tokenizer is None:
        return replace(data, held_out_positions=most, is_complete=False)
    problems = _held_out(held_out, tokenizer, prompt)
    first = data.first_prompt or _first(problems)
    known = data.prompt_tokens if data.is_complete else _mean_prompt(problems)
    return replace(
        data,
        held_out_positions=_drawn(problems, held_out),
        prompt_tokens=known,
        first_prompt=first,
        is_complete=True,
    )


def _drawn(problems: Any, held_out: HeldOutConfig) -> int:
    from rpt_core.evaluation.held_out import choose_sample
    from rpt_core.positions.sets import draw, load_set

    if held_out.listed_positions:
        return len(choose_sample(problems, held_out).indices)
    if held_out.position_set is not None:
        return len(load_set(held_out.positions, held_out.position_set).places)
    places = draw(held_out, problems.entropies, lambda i: (problems.document_id(i), int(problems.token_index[i])))
    return len(places.indices)


def _of_rlvr(config: RlvrConfig, tokenizer: Any | None) -> Data:
    return _of_questions(config, _sampled(config.questions), tokenizer)


@cache
def _sampled(config: QuestionsConfig) -> AskedQuestions:
    """The questions of a config; runs of a suite share them, and drawing them takes seconds."""
    return sample_questions(config)


def _of_benchmark(config: BenchmarkConfig, tokenizer: Any | None) -> Data:
    return _of_questions(config, sample_choices(config), tokenizer)


def _of_questions(config: RlvrConfig | BenchmarkConfig, asked: AskedQuestions, tokenizer: Any | None) -> Data:
    """Questions in their template: their number, mean length, and the first of them."""
    from rpt_core.problems.problem import prompt_frame
    from rpt_core.problems.prompts import load_template

    data = Data(prompt_tokens=config.max_prompt_tokens, sequences=asked.number, is_complete=False, notes=asked.notes)
    template = load_template(config.template)
    if tokenizer is None:
        return data
    frame = prompt_frame(template, tokenizer, config.max_prompt_tokens, config.prompt_date)
    fixed = len(frame.before_ids) + len(frame.after_ids)
    lengths = [fixed + _length(text, tokenizer, BYTES_PER_TOKEN) for text in asked.texts[:SAMPLE_DOCUMENTS]]
    first = FirstPrompt(f"{frame.before}{asked.texts[0]}{frame.after}", int(lengths[0]))
    return replace(data, prompt_tokens=sum(lengths) / len(lengths), first_prompt=first, is_complete=True)


def _problems(positions: str, split: Any, tokenizer: Any, prompt: PromptConfig) -> Any:
    from rpt_core.problems.problem import ProblemSet

    return ProblemSet.load(positions, split, tokenizer, prompt)


def _held_out(held_out: HeldOutConfig, tokenizer: Any, prompt: PromptConfig) -> Any:
    from rpt_core.evaluation.held_out import held_out_problems

    return held_out_problems(held_out, tokenizer, prompt)


def _first(problems: Any) -> FirstPrompt | None:
    kept = problems.kept()
    if not len(problems):
        return None
    problem = problems.problem(int(kept[0]) if len(kept) else 0)
    return FirstPrompt(problem.prompt, len(problem.prompt_ids))


def _mean_prompt(problems: Any) -> float:
    """Mean length of the prompts of a few hundred positions, evenly spread."""
    if not len(problems):
        return 0.0
    every = max(1, len(problems) // SAMPLE_DOCUMENTS)
    lengths = [len(problems.problem(index).prompt_ids) for index in range(0, len(problems), every)]
    return sum(lengths) / len(lengths)


def _longest_prompt(problems: Any) -> int | None:
    """Length of the prompt of the position that lies furthest in its document."""
    return len(problems.problem(int(problems.token_index.argmax())).prompt_ids) if len(problems) else None


def _with_other_flops(data: Data, budget: BudgetConfig) -> Data:
    if budget.flops_of is None or is_pending(budget.flops_of):
        return data
    events = read_events(RunDir(budget.flops_of).events)
    return replace(data, other_flops=max((event.data.get("flops") or 0.0 for event in events), default=0.0))


_READERS: dict[str, Any] = {
    "filter": _of_filter,
    "ntp": _of_ntp,
    "sft": _of_sft,
    "rpt": _of_positions,
    "expert_iteration": _of_positions,
    "rlvr": _of_rlvr,
    "evaluate": _of_evaluate,
    "templates": _of_templates,
    "benchmark": _of_benchmark,
}
