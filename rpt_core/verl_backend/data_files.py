"""The files that verl is given: rows, order of draws, agent loop.

In: the run's config, its problems and tokenizer. Out: files in the run's `verl` folder, written again at each attempt:
they follow from the config alone.
"""

from __future__ import annotations

import json

import numpy as np

from rpt_core.config import RptConfig
from rpt_core.files import write_whole
from rpt_core.problems.problem import ProblemSet
from rpt_core.problems.prompts import load_template
from rpt_core.text.tokens import Tokenizer, load_end_token_ids, refuse_without_end
from rpt_core.train.problem_order import ProblemOrder
from rpt_core.verl_backend.dataset import write_dataset
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.settings import total_draws

AGENT_LOOP = "rpt_core.verl_backend.agent_loop.RptAgentLoop"


def write_data_files(config: RptConfig, folder: VerlFolder, problems: ProblemSet, tokenizer: Tokenizer) -> None:
    """Write all of them."""
    kept = problems.kept()
    entropies = problems.entropies[kept] if config.order == "easy_to_hard" else None
    draws = ProblemOrder(kept, config.seed, entropies).draw(0, total_draws(config))
    write_dataset(folder.data, problems, np.asarray(draws), load_template(config.prompt.template))
    end_ids = load_end_token_ids(config.model.path, tokenizer)
    refuse_without_end(end_ids, config.model.path)
    agent_loop = {
        "name": "rpt",
        "_target_": AGENT_LOOP,
        "end_ids": end_ids,
        "traces": str(folder.traces),
        "seed": config.seed,
    }
    write_whole(folder.agent_loops, json.dumps([agent_loop], indent=2).encode())  # JSON is YAML
