"""The base of all schemas of the API."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import ModelWrapValidatorHandler, ValidationInfo, model_validator


class PlainSchema(Schema):
    """A schema that reads plain data as they are. Ninja's own looks each field of each row up in Python, which took a
    fifth of a list of labels."""

    @model_validator(mode="wrap")
    @classmethod
    def _run_root_validator(
        cls, values: Any, handler: ModelWrapValidatorHandler[Any], info: ValidationInfo
    ) -> Any:  # of the name that it takes the place of
        if isinstance(values, dict) and not cls._ninja_resolvers:
            return handler(values)
        return super()._run_root_validator(values, handler, info)  # type: ignore[operator]  # a proxy, which gives the method
