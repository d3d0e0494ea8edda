"""Which GPUs CUDA_VISIBLE_DEVICES leaves to programs: by number, or by the beginning of the UUID."""

from __future__ import annotations


def is_visible(index: str, uuid: str, visible: str | None) -> bool:
    """Whether a GPU may be used; None allows all."""
    if visible is None:
        return True
    asked = [name.strip() for name in visible.split(",") if name.strip()]
    return any(name == index or uuid.startswith(name) for name in asked)
