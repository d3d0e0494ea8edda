"""Word of a message that a model without a chat template gets as plain text.

In: the names of a run's prompt templates, the policy's tokenizer. Out: a sentence, or none where all is well. Such a
prompt is allowed, but it opens no thought, and mostly none is then closed: every answer may be wrong for that alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from rpt_core.problems.prompts import Template, load_template, template_names
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.text.tokens import Tokenizer


def plain_text_problem(templates: Iterable[Template], tokenizer: Tokenizer) -> str | None:
    """What is said of the templates that are written for a chat model, when the model has no chat template."""
    messages = [template.id for template in templates if template.chat]
    if tokenizer.chat_template or not messages:
        return None
    openers = ", ".join(f"`{name}`" for name in template_names() if not load_template(name).chat)
    return (
        f"The model {str(tokenizer.name_or_path)!r} has no chat template, so {', '.join(messages)} is given to it as "
        "plain text that opens no thought, and its responses may have none. A prompt template that ends in <think> "
        f"suits such a model ({openers}); for a chat model whose template was lost, put chat_template.jinja into its "
        "folder."
    )


def warn_of_plain_text(context: StageContext, names: Iterable[str], tokenizer: Tokenizer) -> None:
    """Say it in the run's log, once. names: of the prompt templates; called when the stage has started."""
    problem = plain_text_problem(map(load_template, names), tokenizer)
    if problem is not None:
        context.log.emit(EventType.LOG, level="warning", message=problem)
