"""The prompt of a response as the model got it: `python -m rpt_core prompt RUN_DIR STAGE KIND STEP ROW`, as JSON.

In: a run's folder, a row of its rollouts. Out: token ids with their bytes, and which of them steer the model instead of
being text. The prompt is made once more by the code that made it, and must have the text and the number of tokens that
were stored: what has changed since is told instead.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpt_core.config import PromptConfig, StageConfig
from rpt_core.errors import UserError, reading
from rpt_core.evaluation.equal_prompts import equal_prompts, load_templates
from rpt_core.problems.problem import ProblemSet, prompt_frame
from rpt_core.problems.prompts import load_template
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RolloutRow, read_rollouts_at
from rpt_core.text.tokens import (
    Tokenizer,
    boundaries,
    control_ids,
    encode,
    encode_within,
    load_tokenizer,
    token_bytes,
    tokenise,
)

EXIT_GOOD, EXIT_BAD_INPUT = 0, 2


@dataclass(frozen=True)
class ShownPrompt:
    """A prompt in tokens."""

    ids: list[int]
    pieces: list[bytes]
    """Of each token; a control token is written as the tokenizer writes it."""
    control: list[int]
    """Numbers of the tokens that are no text."""

    def as_json(self) -> dict[str, Any]:
        """Plain data: the bytes in base64, and where each token ends in them."""
        data = base64.b64encode(b"".join(self.pieces)).decode()
        return {"ids": self.ids, "ends": boundaries(self.pieces), "data": data, "control": self.control}


def shown_prompt(run: RunDir, stage: str, kind: str, step: int, row: int) -> ShownPrompt:
    """The prompt of a response. Raises UserError when it is not there, or is made otherwise by now."""
    with reading(run.rollout_shard(kind, step), "Without it nothing is known of the prompt."):
        (stored,) = read_rollouts_at(run.rollout_shard(kind, step), [row])
    config = run.read_config(stage)
    tokenizer = load_tokenizer(config.model.path)  # type: ignore[union-attr]  # stages that write responses have one
    prompt = prompt_config(config, tokenizer, step)
    ids, text = _of_position(config, tokenizer, prompt, kind, stored) or _of_question(tokenizer, prompt, stage, stored)
    if text != stored.prompt or len(ids) != stored.prompt_tokens:
        raise UserError(
            f"The prompt cannot be made again as it was: by now it has {len(ids)} tokens, and the model was given "
            f"{stored.prompt_tokens}. The tokenizer, the template or the positions of the run have changed since."
        )
    control = control_ids(tokenizer)
    return ShownPrompt(ids, token_bytes(tokenizer, ids), [n for n, token in enumerate(ids) if token in control])


def prompt_config(config: StageConfig, tokenizer: Tokenizer, step: int) -> PromptConfig:
    """How the prompts of a step are made."""
    if config.stage == "templates":
        return equal_prompts(config, load_templates(config.templates), tokenizer)[step - 1]
    if config.stage in ("rlvr", "benchmark"):
        return PromptConfig(
            template=config.template, max_prompt_tokens=config.max_prompt_tokens, date=config.prompt_date
        )
    found: PromptConfig = config.prompt  # type: ignore[union-attr]  # all other stages that write responses have one
    return found


def _of_position(
    config: StageConfig, tokenizer: Tokenizer, prompt: PromptConfig, kind: str, stored: RolloutRow
) -> tuple[list[int], str] | None:
    """Ids and text of a prompt at a position; None for a question."""
    if stored.text_hash is None or stored.byte_offset is None or stored.byte_offset < 0:
        return None
    problems = ProblemSet.load_named(_positions(config, kind), [stored.text_hash.hex()], tokenizer, prompt)
    for index in range(len(problems)):
        if problems.byte_offset(index) == stored.byte_offset:
            problem = problems.problem(index)
            return problem.prompt_ids, problem.prompt
    raise UserError("The positions of the run do not have this one any more.")


def _positions(config: StageConfig, kind: str) -> str:
    held_out = getattr(config, "evaluation", None) or getattr(config, "held_out", None)
    if kind != "train" and held_out is not None:
        return str(held_out.positions)
    return str(config.positions)  # type: ignore[union-attr]  # stages that train on positions have it


def _of_question(tokenizer: Tokenizer, prompt: PromptConfig, stage: str, stored: RolloutRow) -> tuple[list[int], str]:
    """The same of a question, whose text stands in the stored prompt."""
    if stored.context_start is None or stored.context_end is None:
        raise UserError(
            "The prompt was stored before its parts were told apart, so its tokens are not known. Newer runs tell them."
        )
    frame = prompt_frame(load_template(prompt.template), tokenizer, prompt.max_prompt_tokens, prompt.date)
    text = stored.prompt[stored.context_start : stored.context_end]
    if stage == "benchmark":
        inner = (encode_within if frame.before else encode)(tokenizer, text, parse_special=False)
    else:
        inner = tokenise(tokenizer, text).token_ids
    return [*frame.before_ids, *inner, *frame.after_ids], frame.around(text)


def main(arguments: list[str]) -> int:
    """Print the prompt as JSON; returns 0, or 2 with an error in words."""
    parser = argparse.ArgumentParser(prog="python -m rpt_core prompt", description=__doc__)
    parser.add_argument("run_dir", help="the run's folder")
    parser.add_argument("stage", help="what it runs")
    parser.add_argument("kind", choices=("train", "sampled", "greedy"), help="what the response was for")
    parser.add_argument("step", type=int)
    parser.add_argument("row", type=int, help="of the shard, from 0")
    asked = parser.parse_args(arguments)
    try:
        found = shown_prompt(RunDir(Path(asked.run_dir)), asked.stage, asked.kind, asked.step, asked.row)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    print(json.dumps(found.as_json()))
    return EXIT_GOOD
