"""What a checkpoint in bfloat16 keeps of an update: weights that still differ after rounding, and the update's error.

The weights are those of a small trained model in the repository; each is moved by the same distance, up or down at
random, and the sum is rounded to bfloat16.
"""

from __future__ import annotations

from pathlib import Path

import torch
from _common import finish, parser, show
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "tests" / "old_data" / "runs" / "5" / "checkpoints" / "step-000006" / "model.safetensors"
CHANGES = (1e-6, 1e-5, 1e-4, 1e-3)


def after_rounding(weights: torch.Tensor, change: float) -> dict[str, float]:
    """Share of the weights that differ from the rounded start, and error of the update relative to its size."""
    signs = torch.randint(0, 2, weights.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    moved = weights + change * signs
    rounded = moved.bfloat16().float()
    return {
        "share_that_differs": float((rounded != weights.bfloat16().float()).double().mean()),
        "relative_error": float((rounded - moved).norm() / (moved - weights).norm()),
    }


def main() -> int:
    """Measure and show."""
    asked = parser(__doc__).parse_args()
    weights = torch.cat([tensor.float().flatten() for tensor in load_file(MODEL).values()])
    found = {f"{change:.0e}": after_rounding(weights, change) for change in CHANGES}
    rows = [[name, f"{row['share_that_differs']:.3f}", f"{row['relative_error']:.3g}"] for name, row in found.items()]
    show("After rounding to bfloat16", ["change of each weight", "differ", "error of the update"], rows)
    figures = {"weights": weights.numel(), "mean_absolute_weight": float(weights.abs().mean()), "changes": found}
    finish("export_rounding", figures, asked.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
