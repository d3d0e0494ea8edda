"""The largest numbers that a config may hold, in one table: each limit with the reason for it.

In: a name of the table. Out: a type for a field, which refuses more in words that give the reason, and tells the
limit to the API's document. They lie far above what published runs take: what is above them is a slip, and a run would
die of it after it has waited in the queue. Loads without torch and numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

ABOVE = "above_limit"
"""pydantic's type of the error."""


@dataclass(frozen=True)
class Limit:
    """The largest value of a field, and why it is that."""

    most: int
    source: str

    def words(self) -> str:
        """What to do about a number above it."""
        return f"Give a number of at most {self.most:,}. {self.source}"

    def checked(self, value: Any) -> Any:
        """The value. Raises pydantic's error for one above the limit."""
        if value > self.most:
            raise PydanticCustomError(ABOVE, "{words}", {"words": self.words(), "most": self.most})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The type's own checks, and then this one."""
        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The type's own description, and this limit."""
        return handler(schema) | {"maximum": self.most}


LIMITS = {
    "learning rate": Limit(
        1, "AdamW moves each weight by about the learning rate in a step, and weights are far below 1."
    ),
    "steps": Limit(2**31 - 1, "The tables of a run count steps in 32 bits."),
    "at once": Limit(65_536, "All of them are in memory at once; published runs take a few thousand."),
    "tokens of a text": Limit(2**24, "The longest contexts of published models have some 10 million tokens."),
    "tokens at once": Limit(2**30, "No device can hold a pass of so many tokens."),
    "records": Limit(2**31 - 1, "The index of a run's data has 32 bits."),
    "made documents": Limit(10**6, "All documents of the built-in corpus are made in memory."),
    "resamplings": Limit(10**6, "More do not change an interval, and each takes time."),
    "passes": Limit(10**6, "No data is worth so many passes."),
    "tokens in all": Limit(10**18, "All the text in the world has fewer."),
    "compute": Limit(10**30, "The largest published runs took some 10^26 FLOPs."),
    "width": Limit(2**20, "The widest layers of published models have some 100,000 units."),
    "blocks": Limit(1024, "The deepest published models have a few hundred, and as many heads in each."),
    "vocabulary": Limit(2**24, "The largest vocabularies of published models have some 300,000 tokens."),
    "nats": Limit(100, "The entropy of a choice among all tokens of any vocabulary is below 20 nats."),
    "factor": Limit(10**31, "Single precision ends at some 10^38."),
    "temperature": Limit(1000, "Far below this, every token is already as likely as any other."),
    "devices": Limit(65_536, "No cluster that Ray was ever run on has more."),
    "minutes": Limit(525_600, "That is a year."),
}
"""By what is counted."""

Steps = Annotated[int, Field(gt=0), LIMITS["steps"]]
StepsOrNone = Annotated[int, Field(ge=0), LIMITS["steps"]]
"""Steps of which there may be 0."""
AtOnce = Annotated[int, Field(gt=0), LIMITS["at once"]]
TextTokens = Annotated[int, Field(gt=0), LIMITS["tokens of a text"]]
PassTokens = Annotated[int, Field(gt=0), LIMITS["tokens at once"]]
Records = Annotated[int, Field(gt=0), LIMITS["records"]]
Resamplings = Annotated[int, Field(gt=0), LIMITS["resamplings"]]
Passes = Annotated[int, Field(gt=0), LIMITS["passes"]]
Width = Annotated[int, Field(gt=0), LIMITS["width"]]
Blocks = Annotated[int, Field(gt=0), LIMITS["blocks"]]
Nats = Annotated[float, Field(ge=0), LIMITS["nats"]]
Factor = Annotated[float, Field(ge=0), LIMITS["factor"]]
Devices = Annotated[int, Field(gt=0), LIMITS["devices"]]
