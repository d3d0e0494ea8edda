"""Announces once what configuration verl runs with, as soon as verl has written it.

In: the attempt's files. Out: one event `engine_config`. Two runs are not to differ only in where they are: paths below
the run's folder begin with RUN, paths below its own Ray's with RAY. The file in the attempt's folder has them as they
are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.settings import OwnRay


class EngineConfigWatch:
    """Announces the configuration of one attempt of verl."""

    def __init__(self, folder: VerlFolder, context: StageContext, ray: OwnRay | None) -> None:
        self.folder, self.context = folder, context
        self._own = {str(folder.path.parent): "RUN", **({} if ray is None else {str(ray.folder): "RAY"})}
        self._is_told = False

    def look(self) -> None:
        """Emit the event once, as soon as the file is there."""
        if self._is_told or not self.folder.resolved.is_file():
            return
        values = _placed(json.loads(self.folder.resolved.read_bytes()), self._own)
        path = self.context.run.relative(self.context.run.verl / self.folder.resolved.relative_to(self.folder.path))
        self.context.log.emit(EventType.ENGINE_CONFIG, engine="verl", path=path, values=values)
        self._is_told = True


def _placed(value: Any, own: Mapping[str, str]) -> Any:
    """The value with what stands for the run's own folders, at any depth."""
    if isinstance(value, dict):
        return {name: _placed(item, own) for name, item in value.items()}
    if isinstance(value, list):
        return [_placed(item, own) for item in value]
    for folder, name in own.items():
        if isinstance(value, str) and (value == folder or value.startswith(f"{folder}/")):
            return name + value[len(folder) :]
    return value
