"""The base of what profiles are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

NonEmptyText = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=100_000,
        pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$",  # it is printed
    ),
]


class Value(BaseModel):
    """A frozen value of a file: unknown keys are refused, and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
