"""What is known of a run's data before it starts: volumes, and the first prompt as the model will get it.

In: a stage's config, the model's tokenizer where there is one. Out: a Data. Volumes come from the data itself where it
is there, from a sample of it where it is large, and from the config's limits where an earlier run has yet to make it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
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
    RlvrConfig,
    SftConfig,
    StageConfig,
    TemplatesConfig,
)
from rpt_core.events import read_events
from rpt_core.run_dir import RunDir

SAMPLE_DOCUMENTS = 300
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
    """Documents, traces or questions in one pass over the data."""
    prompt_tokens: float = 0
    """Mean tokens of a prompt."""
    held_out_positions: float = 0
    other_flops: float = 0
    """Training compute of the run whose budget is spent again; 0 while unknown."""
    first_prompt: FirstPrompt | None = None
    is_complete: bool = True
    """Nothing has yet to be made by an earlier run."""


def read_data(config: StageConfig, tokenizer: Any | None) -> Data:
    """The data of a config. Raises UserError for data that is named but not there, or not usable."""
    data = _READERS[config.stage](config, tokenizer) if config.stage in _READERS else Data()
    budget = getattr(config, "budget", None)
    return _with_other_flops(data, budget) if isinstance(budget, BudgetConfig) else data


def is_pending(path: str | None) -> bool:
    """Whether a path is a reference to what an earlier run of a suite will make."""
    return path is not None and path.startswith("@")


def _corpus(corpus: CorpusConfig, tokenizer: Any | None, bytes_per_token: float) -> tuple[float, float]:
    """Documents and tokens of both splits together, from the first documents where there are many."""
    from rpt_core.corpus import load_corpus

    asked = corpus.tiny_documents if corpus.source == "tiny" else None
    limit = min(SAMPLE_DOCUMENTS, asked or SAMPLE_DOCUMENTS)
    sample = load_corpus(corpus.model_copy(update={"tiny_documents": limit, "max_documents": corpus.max_documents}))
    documents = [*sample.train, *sample.validation]
    total = float(asked or len(documents))
    some = documents[:SAMPLE_DOCUMENTS]
    tokens = sum(_length(document.text, tokenizer, bytes_per_token) for document in some) / len(some)
    return total, total * tokens


def _length(text: str, tokenizer: Any | None, bytes_per_token: float) -> float:
    if tokenizer is None:
        return len(text.encode()) / bytes_per_token
    from rpt_core.tokens import encode

    return len(encode(tokenizer, text))


def _of_filter(config: FilterConfig, tokenizer: Any | None) -> Data:
    documents, tokens = _corpus(config.corpus, tokenizer, BYTES_PER_TOKEN)
    return Data(corpus_tokens=tokens, sequences=documents)


def _of_ntp(config: NtpConfig, tokenizer: Any | None) -> Data:
    per_token = NEW_TOKENIZER_BYTES_PER_TOKEN if config.scratch else BYTES_PER_TOKEN
    documents, tokens = _corpus(config.corpus, tokenizer, per_token)
    share = 1 - config.corpus.validation_share
    return Data(corpus_tokens=tokens * share, sequences=documents * share)


def _of_sft(config: SftConfig, tokenizer: Any | None) -> Data:
    if config.traces.source == "file" and config.traces.path and not is_pending(config.traces.path):
        lines = [line for line in Path(config.traces.path).read_bytes().splitlines() if line.strip()]
        tokens = sum(_length(line.decode(errors="replace"), tokenizer, BYTES_PER_TOKEN) for line in lines)
        traces, known = float(len(lines)), True
    else:
        traces, tokens, known = _tiny_traces(str(config.traces.positions), tokenizer)
    replayed = 0.0
    if config.replay is not None:
        documents, replay_tokens = _corpus(config.replay, tokenizer, BYTES_PER_TOKEN)
        replayed = min(documents, config.replay_share * traces)
        tokens += replayed * replay_tokens / max(documents, 1)
    return Data(corpus_tokens=tokens, sequences=traces + replayed, is_complete=known)


def _tiny_traces(positions: str, tokenizer: Any | None) -> tuple[float, float, bool]:
    """Traces of the built-in reasoner: about 1.2 for each document, of a prompt and a thought of 25 tokens."""
    if is_pending(positions) or tokenizer is None:
        return 0.0, 0.0, False
    problems = _problems(positions, "train", tokenizer, PromptConfig(template="plain"))
    documents = len(set(problems.document_index.tolist()))
    traces = 1.2 * documents
    return traces, traces * (_mean_prompt(problems) + 25), True


def _of_rpt(config: Any, tokenizer: Any | None) -> Data:
    data = Data(prompt_tokens=config.prompt.max_prompt_tokens, is_complete=False)
    if not is_pending(config.positions) and tokenizer is not None:
        problems = _problems(config.positions, "train", tokenizer, config.prompt)
        data = Data(prompt_tokens=_mean_prompt(problems), first_prompt=_first(problems))
    return data if config.evaluation is None else _with_held_out(data, config.evaluation, tokenizer, config.prompt)


def _of_evaluate(config: Any, tokenizer: Any | None) -> Data:
    empty = Data(prompt_tokens=config.prompt.max_prompt_tokens, is_complete=False)
    return _with_held_out(empty, config.evaluation, tokenizer, config.prompt)


def _of_templates(config: TemplatesConfig, tokenizer: Any | None) -> Data:
    prompt = PromptConfig(
        template=config.templates[0],
        max_prompt_tokens=config.max_prompt_tokens,
        completion_tokens=config.completion_tokens,
    )
    empty = Data(prompt_tokens=prompt.max_prompt_tokens, is_complete=False)
    return _with_held_out(empty, config.held_out, tokenizer, prompt)


def _with_held_out(data: Data, held_out: HeldOutConfig, tokenizer: Any | None, prompt: PromptConfig) -> Data:
    """How many positions are measured on, and their prompts. The nested levels overlap, so 3 n is an upper limit."""
    most = 3.0 * held_out.positions_per_difficulty
    if is_pending(held_out.positions) or tokenizer is None:
        return replace(data, held_out_positions=most, is_complete=False)
    problems = _problems(held_out.positions, "validation", tokenizer, prompt)
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
    from rpt_core.position_sets import draw, load_set

    if held_out.position_set is not None:
        return len(load_set(held_out.positions, held_out.position_set).places)
    places = draw(held_out, problems.entropies, lambda i: (problems.document_id(i), int(problems.token_index[i])))
    return len(places.indices)


def _of_rlvr(config: RlvrConfig, tokenizer: Any | None) -> Data:
    from rpt_core.problems import prompt_frame
    from rpt_core.prompts import load_template
    from rpt_core.questions import load_questions

    questions = load_questions(config.questions)
    template = load_template(config.template)
    if tokenizer is None:
        return Data(prompt_tokens=config.max_prompt_tokens, sequences=len(questions.train), is_complete=False)
    frame = prompt_frame(template, tokenizer, config.max_prompt_tokens)
    return _asked([question.text for question in questions.train], frame, tokenizer)


def _of_benchmark(config: BenchmarkConfig, tokenizer: Any | None) -> Data:
    from rpt_core.evaluation.choice_questions import draw, load_questions
    from rpt_core.problems import prompt_frame
    from rpt_core.prompts import load_template

    questions = draw(load_questions(config)[0], config.per_category, config.seed)
    if tokenizer is None:
        return Data(prompt_tokens=config.max_prompt_tokens, sequences=len(questions), is_complete=False)
    frame = prompt_frame(load_template(config.template), tokenizer, config.max_prompt_tokens)
    return _asked([question.question for question in questions], frame, tokenizer)


def _asked(texts: list[str], frame: Any, tokenizer: Any) -> Data:
    """Questions in their template: their number, mean length, and the first of them."""
    from rpt_core.tokens import encode

    fixed = len(frame.before_ids) + len(frame.after_ids)
    lengths = [fixed + len(encode(tokenizer, text)) for text in islice(texts, SAMPLE_DOCUMENTS)]
    first = FirstPrompt(f"{frame.before}{texts[0]}{frame.after}", lengths[0])
    return Data(sequences=len(texts), prompt_tokens=sum(lengths) / len(lengths), first_prompt=first)


def _problems(positions: str, split: Any, tokenizer: Any, prompt: PromptConfig) -> Any:
    from rpt_core.problems import ProblemSet

    return ProblemSet.load(positions, split, tokenizer, prompt)


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


def _with_other_flops(data: Data, budget: BudgetConfig) -> Data:
    if budget.flops_of is None or is_pending(budget.flops_of):
        return data
    events = read_events(RunDir(budget.flops_of).events)
    return replace(data, other_flops=max((event.data.get("flops") or 0.0 for event in events), default=0.0))


_READERS: dict[str, Any] = {
    "filter": _of_filter,
    "ntp": _of_ntp,
    "sft": _of_sft,
    "rpt": _of_rpt,
    "rlvr": _of_rlvr,
    "evaluate": _of_evaluate,
    "templates": _of_templates,
    "benchmark": _of_benchmark,
}
