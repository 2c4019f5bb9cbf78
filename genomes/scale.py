"""The sizes at which a scale-free layout becomes an architecture."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Repeat = Literal["stretch", "stack"]

MAX_BLOCKS = 4096


class Scale(BaseModel):
    """Width, depth, head size and vocabulary; a campaign has a proxy scale and a target scale."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    width: int = Field(ge=8, le=65536, description="width D of the residual stream")
    head_dim: int = Field(ge=2, le=1024, description="size of an attention head; divides the width")
    blocks: int | None = Field(
        default=None, ge=1, le=MAX_BLOCKS, description="number of blocks; by default the layout's own"
    )
    vocab_size: int = Field(default=256, ge=2, le=4_194_304)
    repeat: Repeat = Field(
        default="stack", description="stack repeats the whole layout, stretch repeats each block in place"
    )
    context: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="tokens that shares of the context refer to, such as window=1/4",
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> "Scale":
        if self.width % self.head_dim:
            raise ValueError(
                f"head_dim {self.head_dim} does not divide width {self.width}: heads would not fill the width"
            )
        return self

    @property
    def heads(self) -> int:
        """Heads that fill the width."""
        return self.width // self.head_dim

    def indices(self, length: int) -> list[int]:
        """Which of `length` layout blocks stands at each block.

        Stretching takes the nearest index, so a block is repeated in place `blocks / length` times where
        that is whole; stacking cycles, and the last copy is cut where it does not divide.
        """
        blocks = self.blocks or length
        if self.repeat == "stack":
            return [position % length for position in range(blocks)]
        return [(2 * position + 1) * length // (2 * blocks) for position in range(blocks)]
