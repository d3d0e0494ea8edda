"""Inside verl: its dataset (`data.custom_cls`). Item n is the problem of the run's draw n.

In: the files of `rpt_core.verl_backend.dataset`. Out: dictionaries with the columns that verl's trainer, agent loop and
reward read. verl's loader goes through the items in their order and keeps in its checkpoints how far it has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch.utils.data import Dataset

from rpt_core.verl_backend.dataset import ROW_GROUP_ROWS, order_path


class DrawnRows(Dataset[dict[str, Any]]):
    """The draws of a run."""

    def __init__(self, data_files: str | Sequence[str], **_: Any) -> None:
        """data_files: the Parquet file, alone or in a list. verl's other arguments are not needed."""
        path = Path(data_files if isinstance(data_files, str) else data_files[0])
        self._order = np.load(order_path(path), mmap_mode="r")
        self._file = pq.ParquetFile(path, memory_map=True)
        self._group = lru_cache(maxsize=4)(self._read_group)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, draw: int) -> dict[str, Any]:
        group, place = divmod(int(self._order[draw]), ROW_GROUP_ROWS)
        row = self._group(group)[place]
        return {
            "data_source": row["data_source"],
            "raw_prompt": row["prompt"],
            "reward_model": row["reward_model"],
            "extra_info": row["extra_info"],
            "index": draw,
            "dummy_tensor": torch.tensor([0], dtype=torch.uint8),  # verl wants a batch to hold a tensor
        }

    def _read_group(self, group: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._file.read_row_group(group).to_pylist()
        return rows
