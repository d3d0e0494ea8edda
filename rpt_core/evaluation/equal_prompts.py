"""Several templates as prompts that leave the same room for the context.

In: names of templates or their files. Out: the templates, and how each becomes prompts. Loads no torch.
"""

from __future__ import annotations

from rpt_core.config import PromptConfig, TemplatesConfig
from rpt_core.errors import UserError
from rpt_core.problems.problem import prompt_frame
from rpt_core.problems.prompts import Template, load_template
from rpt_core.text.tokens import Tokenizer


def load_templates(names: tuple[str, ...]) -> list[Template]:
    """All templates. Raises UserError when there is none, one is no good, or two have the same id."""
    templates = [load_template(name) for name in names]
    ids = [template.id for template in templates]
    if not ids:
        raise UserError("`templates` is empty. Name at least one prompt template.")
    if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        raise UserError(f"Several templates are called {', '.join(twice)}. Name each once, and rename files.")
    return templates


def equal_prompts(config: TemplatesConfig, templates: list[Template], tokenizer: Tokenizer) -> list[PromptConfig]:
    """How each template becomes prompts, so that all leave the same room for the context.

    Raises UserError when one of them leaves none.
    """
    frames = [prompt_frame(template, tokenizer, config.max_prompt_tokens, config.prompt_date) for template in templates]
    room = min(frame.max_context_tokens for frame in frames)
    return [
        PromptConfig(
            template=name,
            max_prompt_tokens=config.max_prompt_tokens - frame.max_context_tokens + room,
            completion_tokens=config.completion_tokens,
            date=config.prompt_date,
        )
        for name, frame in zip(config.templates, frames, strict=True)
    ]
