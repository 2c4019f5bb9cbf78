"""Hyena: gated convolution with a filter over the whole sequence, or an explicit medium one."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Setting, Value, number
from genomes.operators.hyena_x import HyenaX
from genomes.scale import Scale

INNER_LAYERS = 2
"""Layers of the filter's network between its first and its last, as in the authors' code."""


class Hyena(HyenaX):
    """`y = W_out (q * (h conv (k * v)))` with `q, k, v = conv(W_in x)`: the Hyena operator of order 2.

    The implicit filter at lag `t` is `h_t = exp(-r t / horizon) f(t) + skip [t = 0]` a channel. `f` is a
    network of four layers with sines of a learned frequency between them; it sees `t / horizon` and `bands`
    sines and cosines of it. The decay rates `r` are fixed, from slow to fast over the channels, so that a
    filter falls to 1 % within 1.5 to 0.3 horizons. Poli et al., arXiv 2302.10866, sections 3.1 to 3.3;
    network sizes and constants as in the authors' code for The Pile, whose other biases are left out.

    The paper divides time by the length of the sequence; `horizon` is a fixed number of tokens instead, so
    the same tokens give the same outputs in a sequence of any length, and longer ones than `horizon` are
    legal.

    Decoding with an implicit filter keeps all past inputs, without distillation into a recurrence: its state
    and its FLOPs a token grow with the context. The filter does not depend on the tokens, so the state also
    holds the lags computed so far and each token adds one; all of them anew would cost a token of width 1024
    at context 1024 about 18 times its projections.

    With `filter_length` the filter is explicit, one weight a lag and channel, and the fields of the network
    mean nothing. In STAR's alphabet (arXiv 2411.17800) GConv-2 is the implicit form; GConv-1, the explicit
    gated convolution of length 3, is `short_conv(3)`.
    """

    name: ClassVar[str] = "hyena"
    module: ClassVar[str] = "proxies.operators.hyena:Hyena"
    settings: ClassVar[Mapping[str, Setting]] = {
        "filter": Setting(None, 3, 128, whole=True, optional=True),
        "horizon": Setting(Fraction(1024), 1, MAX_SIZE, whole=True),
    }
    positional: ClassVar[bool] = False

    filter_length: int | None = Field(
        default=None, ge=3, le=128, description="length of an explicit filter in tokens; null: implicit"
    )
    horizon: int = Field(default=1024, ge=1, le=MAX_SIZE, description="tokens that the filter's time spans")
    filter_width: int = Field(default=64, ge=1, le=MAX_SIZE, description="width of the filter's network")
    bands: int = Field(default=16, ge=1, le=MAX_SIZE, description="frequencies that the network sees")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Lengths in tokens at every scale; an explicit filter has no use for the horizon."""
        del scale
        if settings["filter"] is not None:
            return cls(filter_length=int(number(settings, "filter")))
        return cls(horizon=int(number(settings, "horizon")))

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Weights of Hyena-X, and of the filter."""
        shapes = super().weights(width)
        if self.filter_length is not None:
            return shapes | {"filter": (self.filter_length, width)}
        inner = self.filter_width
        return shapes | {
            "filter_in": (1 + 2 * self.bands, inner),
            "filter_in_bias": (inner,),
            "filter_inner": (INNER_LAYERS, inner, inner),
            "filter_inner_bias": (INNER_LAYERS, inner),
            "filter_out": (inner, width),
            "frequency": (inner,),
            "skip": (width,),
        }

    def decode_flops(self, width: int, context: int) -> int:
        """FLOPs of Hyena-X, and the filter at its lags; an implicit one is computed at one more."""
        flops = super().decode_flops(width, context)
        if self.filter_length is not None:
            return flops + self.matrix_flops(width, "filter")
        network = self.matrix_flops(width, "filter_in", "filter_inner", "filter_out")
        return flops + network + 2 * width * context

    def prefill_flops(self, width: int, tokens: int) -> int:
        """The sum over tokens: an implicit filter meets each pair of them once."""
        each = tokens * self.decode_flops(width, 0)
        return each if self.filter_length is not None else each + width * tokens * (tokens + 1)

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The last inputs of the convolutions; of an implicit filter all, and its lags so far."""
        state = super().state(width, context)
        if self.filter_length is not None:
            return state | {"inputs": (self.filter_length - 1, width)}
        return state | {"inputs": (context, width), "filter": (context, width)}

    def state_traffic(self, width: int, context: int) -> int:
        """Inputs and lags of an implicit filter: all are read, one of each is written."""
        if self.filter_length is not None:
            return super().state_traffic(width, context)
        return self.state_elements(width, context) + self.state_elements(width, 1)

    def activation_elements(self, width: int) -> int:
        """Intermediate results of Hyena-X, and the filtered `k * v`."""
        return super().activation_elements(width) + width
