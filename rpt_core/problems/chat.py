"""A user's message in the model's own chat template: the text around it.

In: a tokenizer with a chat template, the message with a mark in it, the run's date. Out: the rendered text before and
after the mark. The template is a program that came with the model: whatever it raises is its own fault, and becomes a
UserError that names it. `strftime_now`, by which some templates (Llama 3.2, Granite) write today's date, gives the date
of the config instead: the prompt of a position is the same tomorrow.
"""

from __future__ import annotations

import datetime
from typing import Any

from rpt_core.errors import reading
from rpt_core.text.tokens import Tokenizer

MARK = "\ue000"
"""Stands for what is put into the message: a character for private use, which templates pass on."""

_TIMES = 8
"""A template is rendered so often, and must always give the same: a run's prompts follow from its config."""


def chat_frame(tokenizer: Tokenizer, message: str, date: str, **options: Any) -> tuple[str, str]:
    """The rendered text before and after the one MARK in a user's message, the assistant's turn opened.

    date: `YYYY-MM-DD`. options: further variables of the template. Raises UserError when the template fails, or does
    not pass the message on.
    """
    remedy = (
        "Use a prompt template that opens the thought itself, such as `plain` or `question_plain`, which needs no "
        "chat template, or fix it (chat_template.jinja, or `chat_template` in tokenizer_config.json)."
    )
    what = f"The chat template of the model {str(tokenizer.name_or_path)!r}"
    with reading(what, remedy, "fails on a message of a user alone"):
        text, *again = (
            str(
                tokenizer.apply_chat_template(
                    [{"role": "user", "content": message}],
                    tokenize=False,
                    add_generation_prompt=True,
                    strftime_now=datetime.date.fromisoformat(date).strftime,
                    **options,
                )
            )
            for _ in range(_TIMES)
        )
        if any(other != text for other in again):
            raise ValueError("it draws at random, and so gives another text each time")
        if text.count(MARK) != 1:
            raise ValueError("it does not pass a user's message on as it is")
    before, _, after = text.partition(MARK)
    return before, after
