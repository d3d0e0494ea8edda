"""Prompt templates: the text around a context (Tables 8 and 10 of the paper describe theirs by clauses).

In: the name of a built-in template, or a text file of a team's own, with `{context}` in it once. Out: a Template.
Loads without torch. A byte order mark at the start of a file and one line break at its end, LF or CRLF, belong to the
file and not to the template; line breaks inside are the template's, as they are.

The wording of `v0` to `v6` is ours; the paper gives clauses only:

    v0  the text under a heading, raw; reason step by step; a box; a leading space belongs in it, with two examples
    v1  as v0, the text fenced in triple backticks
    v2  as v1, after the persona of a helpful assistant who is good at it
    v3  as v1; list several candidates and choose the most probable
    v4  as v1, with three examples: a word with its leading space, a digit, punctuation with a line break
    v5  as v1 in slightly other words: an answer instead of a prediction
    v6  as v3, the text fenced within the line, the instruction repeated after it

`plain`, `plain_fenced` and `plain_instructed` are for models without a chat template, such as the small one: they open
the thought themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rpt_core.errors import UserError, reading

FIELD = "{context}"
_OPENS_THOUGHT = "<think>"


@dataclass(frozen=True)
class Template:
    """The text before and after the context. A prompt is before + context + after, with nothing added between them."""

    id: str
    before: str
    after: str
    chat: bool
    """Sent as a user's message through the model's chat template, when it has one."""

    def render(self, context: str) -> str:
        """The prompt as plain text."""
        return f"{self.before}{context}{self.after}"


def template_names() -> list[str]:
    """Names of the built-in templates."""
    files = resources.files(__package__).joinpath("templates").iterdir()
    return sorted(file.name.removesuffix(".txt") for file in files if file.name.endswith(".txt"))


def template_text(name: str) -> str:
    """The text of a built-in template."""
    return resources.files(__package__).joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")


def load_template(name_or_path: str) -> Template:
    """A built-in template by its name, or one from a text file.

    A template that opens the thought itself with `<think>` is used as it stands; any other is a message to a chat
    model. Raises UserError when there is no such template or `{context}` does not stand in it exactly once.
    """
    if name_or_path in template_names():
        return parse_template(name_or_path, template_text(name_or_path))
    path = Path(name_or_path)
    if not path.is_file():
        raise UserError(
            f"There is no prompt template {name_or_path!r}. Use one of {', '.join(template_names())}, or the path "
            f"of a text file with {FIELD} in it."
        )
    return parse_template(path.stem, _read(path))


def parse_template(id_: str, text: str) -> Template:
    """A template from its text. Raises UserError unless `{context}` stands in it exactly once."""
    if (count := text.count(FIELD)) != 1:
        problem = "is missing from" if count == 0 else f"occurs {count} times in"
        raise UserError(f"{FIELD} {problem} the prompt template {id_!r}. It must stand there exactly once.")
    # One line break belongs to the file; a second one is the template's and reaches the model.
    text = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    before, _, after = text.partition(FIELD)
    # A template that opens the thought itself continues the model's own turn, so it must not become a user's message.
    return Template(id_, before, after, chat=_OPENS_THOUGHT not in after)


def _read(path: Path) -> str:
    """A file's text. UTF-16, as some editors save it, has a mark of its own or a zero in every other byte."""
    with reading(f"The prompt template {path}", "Name another file, or let it be read."):
        data = path.read_bytes()  # not text: Python would change the template's line breaks
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(f"The prompt template {path} is not UTF-8 text. Save it as UTF-8.")
    return text
