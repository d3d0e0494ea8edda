"""Inside verl: how a response is asked for (`actor_rollout_ref.rollout.agent`), and the trace that it leaves.

In: a row of our dataset. Out: verl's AgentLoopOutput; and one line of JSON for each response, in a file of this process
and step in the traces' folder, before verl learns of the response: whoever reads of a finished step finds all its
traces.

verl's own loop would tokenise the prompt's text again; this one hands on the tokens of the plain loop's prompts. Each
response has a seed of its own, a function of the run's seed, the step, the draw and its number.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput
from verl.utils.profiler import simple_timer

from rpt_core.seeds import derive_seed
from rpt_core.text.tokens import token_bytes


class RptAgentLoop:
    """Asks once for each response. verl makes one for each; all arguments but the last three are verl's."""

    def __init__(
        self,
        trainer_config: Any,
        server_manager: Any,
        tokenizer: Any,
        *,
        end_ids: Sequence[int],
        traces: str,
        seed: int,
        **_: Any,
    ) -> None:
        self.limit = int(trainer_config.config.actor_rollout_ref.rollout.response_length)
        self.server, self.tokenizer = server_manager, tokenizer
        self.end_ids, self.traces, self.seed = list(end_ids), Path(traces), seed

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """One response to the row's prompt."""
        prompt_ids = list(row["extra_info"]["prompt_ids"])
        step, draw, sample = int(row["global_steps"]), int(row["index"]), int(row["session_id"])
        seed = derive_seed(self.seed, "rollouts", step, draw, sample) % 2**31
        timing: dict[str, float] = {}
        with simple_timer("generate_sequences", timing):
            output = await self.server.generate(
                request_id=uuid4().hex,
                prompt_ids=prompt_ids,
                sampling_params={**sampling_params, "seed": seed, "stop_token_ids": self.end_ids},
            )
        ids, log_probs = list(output.token_ids)[: self.limit], list(output.log_probs)[: self.limit]
        finished = ids[-1] in self.end_ids
        names = {"step": step, "uid": row["uid"], "sample": sample, "draw": draw, "index": row["extra_info"]["index"]}
        self._leave_trace({**names, "token_ids": ids, "log_probs": log_probs, "finished": finished})
        data = b"".join(token_bytes(self.tokenizer, ids[:-1] if finished else ids, at_start=False))
        return AgentLoopOutput(
            prompt_ids=prompt_ids,
            response_ids=ids,
            response_mask=[1] * len(ids),
            response_logprobs=log_probs,
            num_turns=2,
            metrics=AgentLoopMetrics(**timing),
            extra_fields={**output.extra_fields, "response_hex": data.hex(), "finished": finished},
        )

    def _leave_trace(self, trace: Mapping[str, Any]) -> None:
        path = self.traces / f"{trace['step']}-{socket.gethostname()}-{os.getpid()}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(trace, separators=(",", ":")) + "\n")
