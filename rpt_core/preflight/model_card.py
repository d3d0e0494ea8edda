"""What a model is, and whether it can be trained here: `python -m rpt_core model PATH`, on the terminal or as JSON.

In: a model's folder, or its name on a hub. Out: a ModelCard: what its files say, and what speaks against it in words.
Each part is looked at by itself, so that one fault hides no other. At last the model is built without memory (on the
meta device) and its names and shapes are compared with those of its files. No code that comes with a model is run.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from safetensors import safe_open

from rpt_core.config import PROMPT_DATE, ModelConfig
from rpt_core.errors import UserError, said
from rpt_core.models.folder import has_weights, model_folder, read_config, tensor_shapes, weight_files
from rpt_core.preflight.model_shape import shape_of
from rpt_core.problems.chat import MARK, chat_frame
from rpt_core.problems.plain_text import plain_text_problem
from rpt_core.problems.prompts import load_template
from rpt_core.typed_yaml import read_typed

EXIT_GOOD, EXIT_PROBLEMS = 0, 2
USUAL_TEMPLATE = "v0"
"""The prompt template that a model's chat template is tried with."""
THOUGHT_ENDS, THOUGHT_BEGINS = "</think>", "<think>"
LONGEST_TEMPLATE = 20_000
"""Characters of a chat template that are kept."""
LONGEST_README = 1_000_000
MOST_TOKENS = 64
"""Special tokens that are listed."""


@dataclass(frozen=True)
class Fault:
    """Something that speaks against a model: an error (no run could use it) or a warning."""

    level: str
    message: str


@dataclass
class ModelCard:
    """What is known of a model. `facts` has what its files say, as plain data; a name that is missing is not known."""

    path: str
    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    loads: bool = False
    """Whether its weights are those of the model that its config describes."""

    @property
    def is_good(self) -> bool:
        """Whether a run can use it."""
        return self.loads and not any(fault.level == "error" for fault in self.faults)


def card_of(path: str) -> ModelCard:
    """Look at a model. What is wrong with it is on the card; nothing is raised for it."""
    card = ModelCard(path)
    try:
        folder = model_folder(path)
    except UserError as error:
        card.faults.append(Fault("error", str(error)))
        return card
    for look in (_sizes, _formats, _tokenizer, _licence):
        with _faults_on(card):
            card.facts |= look(card, folder)
    with _faults_on(card):
        _load(card)
    return card


@contextmanager
def _faults_on(card: ModelCard) -> Iterator[None]:
    """A UserError is a fault of the model, and so is what else its files lead to; nothing is said twice."""
    try:
        yield
    except MemoryError:
        raise
    except UserError as error:
        words = str(error)
    except Exception as error:  # whatever a library raises for what is in somebody else's files
        traceback.print_exc()
        words = f"A file of {card.path} cannot be used: {said(error)}. Copy the model again."
    else:
        return
    if (fault := Fault("error", words)) not in card.faults:
        card.faults.append(fault)


def _sizes(card: ModelCard, folder: Path) -> dict[str, Any]:
    shape = shape_of(ModelConfig(path=card.path))
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {
        "architecture": next(iter(values.get("architectures") or ()), None) or values.get("model_type"),
        "kind": values.get("model_type"),
        "parameters": shape.parameters,
        "matrix_parameters": shape.matrix_parameters,
        "layers": shape.layers,
        "hidden": shape.hidden,
        "vocabulary": shape.vocabulary,
        "context_tokens": shape.max_positions,
    }


def _formats(card: ModelCard, folder: Path) -> dict[str, Any]:
    """Number formats of the stored weights, the most frequent first, and the size of their files."""
    if not has_weights(folder):  # of a model on a hub they are fetched when it is loaded
        return {}
    formats: Counter[str] = Counter()
    tensor_shapes(folder)  # which refuses a damaged file in words
    files = weight_files(folder)
    for file in files:
        with safe_open(file, "numpy") as tensors:
            formats.update(tensors.get_slice(name).get_dtype() for name in tensors.keys())  # noqa: SIM118  # as above
    return {
        "formats": [name for name, _ in formats.most_common()],
        "bytes": sum(file.stat().st_size for file in files),
    }


def _tokenizer(card: ModelCard, folder: Path) -> dict[str, Any]:
    from rpt_core.text.tokens import encode, load_end_token_ids, load_tokenizer, refuse_without_end, tokenizer_hash

    tokenizer = load_tokenizer(card.path)
    ends = load_end_token_ids(card.path, tokenizer)
    with _faults_on(card):
        refuse_without_end(ends, card.path)
    special = {id_: str(token) for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    template = tokenizer.chat_template
    return {
        "tokenizer_hash": tokenizer_hash(tokenizer),
        "tokens": len(tokenizer),
        "begin_token": tokenizer.bos_token,
        "end_tokens": [{"id": id_, "token": tokenizer.convert_ids_to_tokens(id_)} for id_ in ends],
        "special_tokens": [{"id": id_, "token": token} for id_, token in sorted(special.items())[:MOST_TOKENS]],
        "special_count": len(special),
        "chat_template": template[:LONGEST_TEMPLATE] if isinstance(template, str) else None,
        "end_of_thought_tokens": len(encode(tokenizer, THOUGHT_ENDS)),
        **_chat(card, tokenizer),
    }


def _chat(card: ModelCard, tokenizer: Any) -> dict[str, Any]:
    """Whether the chat template takes a prompt, and opens the thought that `</think>` must close."""
    template = load_template(USUAL_TEMPLATE)
    if (words := plain_text_problem([template], tokenizer)) is not None:
        card.faults.append(Fault("warning", words))
        return {"opens_thought": False}
    with _faults_on(card):
        _, after = chat_frame(tokenizer, template.render(MARK), PROMPT_DATE)
        opens = after.rpartition(THOUGHT_BEGINS)[1] != "" and THOUGHT_ENDS not in after.rpartition(THOUGHT_BEGINS)[2]
        if not opens:
            card.faults.append(Fault("warning", _NO_THOUGHT))
        around, rest = chat_frame(tokenizer, MARK, PROMPT_DATE)
        frame = {"chat_before": around[-LONGEST_TEMPLATE:], "chat_after": rest[:LONGEST_TEMPLATE]}
        return {"opens_thought": opens, "answer_begins": after[-200:], **frame}
    return {}


_NO_THOUGHT = (
    f"The chat template opens no thought: the model has to write {THOUGHT_BEGINS} and {THOUGHT_ENDS} by itself, and a "
    f"response without {THOUGHT_ENDS} counts as having no box. A model that does not know them can learn it (stage "
    "`sft`), or take a prompt template that ends in <think>."
)


def _licence(card: ModelCard, folder: Path) -> dict[str, Any]:
    """What README.md says at its head, or else the name of a file with a licence."""
    readme = folder / "README.md"
    if readme.is_file() and readme.stat().st_size < LONGEST_README:
        head = readme.read_text(encoding="utf-8", errors="replace").split("---")
        if len(head) > 2 and not head[0].strip():
            try:
                values = read_typed(head[1])
            except (yaml.YAMLError, RecursionError):
                values = None
            if isinstance(values, dict) and isinstance(values.get("license"), str):
                return {"licence": values["license"][:200]}
    found = sorted(file.name for file in folder.glob("LICENSE*"))
    return {"licence": f"see {found[0]}"} if found else {}


def _load(card: ModelCard) -> None:
    from rpt_core.inference.limits import OTHERS, unsupported
    from rpt_core.models.loading import checked_shape, refuse_unknown_tokens
    from rpt_core.text.tokens import load_tokenizer

    model = checked_shape(card.path)
    card.loads = True
    with _faults_on(card):
        refuse_unknown_tokens(card.path, load_tokenizer(card.path), model.get_input_embeddings().weight.shape[0])
    if (reason := unsupported(read_config(card.path).get_text_config())) is not None:
        name = type(model).__name__
        card.faults.append(Fault("warning", f"{name} {reason}, which the sampler here does not support: {OTHERS}."))


def main(arguments: list[str], look: Callable[[str], ModelCard] = card_of) -> int:
    """Look at a model; returns 0, or 2 when no run could use it."""
    parser = argparse.ArgumentParser(prog="python -m rpt_core model", description=__doc__)
    parser.add_argument("path", help="the model's folder, or its name on a hub")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        card = look(options.path)
    except MemoryError:
        print(
            "error: The check needs more memory than it may take here. A config or a tokenizer may be very large.",
            file=sys.stderr,
        )
        return EXIT_PROBLEMS
    if options.json:
        print(json.dumps(asdict(card), ensure_ascii=False))
    else:
        print(as_text(card), file=sys.stdout)
    return EXIT_GOOD if card.is_good else EXIT_PROBLEMS


def as_text(card: ModelCard) -> str:
    """The card for a terminal."""
    shown = {name: value for name, value in card.facts.items() if isinstance(value, str | int | bool)}
    shown.pop("chat_template", None)
    for name in ("answer_begins", "chat_before", "chat_after"):
        shown.pop(name, None)
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in shown.items()]
    lines += [f"{fault.level}: {fault.message}" for fault in card.faults]
    return "\n".join([*lines, "It loads." if card.loads else "It does not load."])
