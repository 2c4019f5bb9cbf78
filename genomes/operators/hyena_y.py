"""Hyena-Y: Hyena's inner convolution, without convolutions on the gates."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Operator, Setting
from genomes.operators.short_conv import ShortConv


class HyenaY(ShortConv):
    """`y = W_out (q * conv(k * v))` with `q, k, v = split(W_in x)`.

    Published in words only: Hyena with the inner convolution but none on the gates, filters of 3 to 128
    tokens (Liquid AI, "Convolutional multi-hybrids for edge devices", 2025). Our reading: the order-2 Hyena
    operator (Poli et al., arXiv 2302.10866, section 3) with plain projections and an explicit filter. That is
    the form of LFM2's `short_conv`, `C * conv(B * u)`, so the accounting and the module are those; both names
    are kept because both are published. Campaigns train and price it as `short_conv`.
    """

    name: ClassVar[str] = "hyena_y"
    settings: ClassVar[Mapping[str, Setting]] = {"kernel": Setting(Fraction(3), 3, MAX_SIZE, tokens=True)}

    kernel: int = Field(default=3, ge=3, le=MAX_SIZE, description="length of the filter in tokens")

    def canonical(self, context: int | None = None) -> Operator:
        """The `short_conv` that it is."""
        return ShortConv(kernel=self.kernel, shares=self.shares).canonical(context)
