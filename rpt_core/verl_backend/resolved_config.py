"""Inside verl: writes its configuration as hydra resolved it, its own defaults and our words together.

In: the configuration of verl's main program, when its work begins. Out: a JSON file in the attempt's folder, which
`rpt_core.verl_backend.engine_config` announces. hydra calls this by itself (`hydra.callbacks` of our words); an error
here becomes a warning in verl's log and ends nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from rpt_core.files import write_whole


class WriteResolved(Callback):  # type: ignore[misc]  # hydra is not there for mypy
    """The callback that hydra runs."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Write the whole configuration but hydra's own part."""
        own = OmegaConf.masked_copy(config, [str(name) for name in config if name != "hydra"])
        values = OmegaConf.to_container(own, resolve=True, enum_to_str=True)
        write_whole(self.path, json.dumps(values, indent=2, default=str).encode())
