"""YAML that somebody has typed, read with care: whatever stands in it, it is read or refused as YAML that is wrong.

In: a text. Out: its value, or a `yaml.YAMLError`, also for a date or a number that is none, which PyYAML answers with
errors of all kinds. Aliases are refused: by them a short text can stand for an endless one. Loads without torch.
"""

from __future__ import annotations

from typing import Any

import yaml


def read_typed(text: str | bytes) -> Any:
    """The value. Raises yaml.YAMLError, and RecursionError for one that is nested too deep."""
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            kind = node.tag.rpartition(":")[2]
            words = f"this is no value of the kind {kind}; put a text in quotes"
            raise yaml.MarkedYAMLError(problem=words, problem_mark=node.start_mark) from None
