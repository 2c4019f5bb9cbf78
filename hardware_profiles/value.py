"""The base of what profiles are made of."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value of a file: unknown keys are refused, and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
