"""Hyena: gated convolution with a filter over the whole sequence, or an explicit medium one."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, log2
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
    legal. A layout may give it as a share of the context that a model is made for.

    Decoding with an implicit filter keeps all past inputs, without distillation into a recurrence: its state
    and its FLOPs a token grow with the context. The filter does not depend on the tokens, so the lags
    computed so far are a constant of the model, one copy for all sequences, and each token adds one; all of
    them anew would cost a token of width 1024 at context 1024 about 18 times its projections.

    With `filter_length` the filter is explicit, one weight a lag and channel, and the fields of the network
    mean nothing. In STAR's alphabet (arXiv 2411.17800) GConv-2 is the implicit form; GConv-1, the explicit
    gated convolution of length 3, is `short_conv(3)`.
    """

    name: ClassVar[str] = "hyena"
    module: ClassVar[str] = "proxies.operators.hyena:Hyena"
    settings: ClassVar[Mapping[str, Setting]] = {
        "filter": Setting(None, 3, MAX_SIZE, optional=True, tokens=True),
        "horizon": Setting(Fraction(1024), 1, MAX_SIZE, tokens=True),
    }
    positional: ClassVar[bool] = False
    filters: ClassVar[tuple[str, ...]] = ("kernel", "filter_length")

    filter_length: int | None = Field(
        default=None, ge=3, le=MAX_SIZE, description="length of an explicit filter in tokens; null: implicit"
    )
    horizon: int = Field(default=1024, ge=1, le=MAX_SIZE, description="tokens that the filter's time spans")
    filter_width: int = Field(default=64, ge=1, le=MAX_SIZE, description="width of the filter's network")
    bands: int = Field(default=16, ge=1, le=MAX_SIZE, description="frequencies that the network sees")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Lengths in tokens at any width; an explicit filter has no use for the horizon."""
        del scale
        if settings["filter"] is not None:
            return cls(filter_length=int(number(settings, "filter")))
        return cls(horizon=int(number(settings, "horizon")))

    @classmethod
    def lengths(cls, settings: Mapping[str, Value]) -> dict[str, Fraction]:
        """An explicit filter's, or an implicit one's horizon."""
        lengths = super().lengths(settings)
        return {"filter": lengths["filter"]} if "filter" in lengths else lengths

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
        """The sum over tokens; an implicit filter meets each pair of them once, or all in Fourier transforms.

        Transforms are the smaller from some 130 tokens on. They are those of the whole prompt: a runtime that
        reads it in chunks does more.
        """
        each = tokens * self.decode_flops(width, 0)
        if self.filter_length is not None:
            return each
        return each + width * min(tokens * (tokens + 1), fourier_flops(tokens))

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The last inputs of the convolutions; of an implicit filter all."""
        state = super().state(width, context)
        if self.filter_length is not None:
            return state | {"inputs": (self.filter_length - 1, width)}
        return state | {"inputs": (context, width)}

    def constants(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The lags of an implicit filter so far."""
        return {} if self.filter_length is not None else {"filter": (context, width)}

    def state_traffic(self, width: int, context: int) -> int:
        """Inputs of an implicit filter: all are read, one is written."""
        if self.filter_length is not None:
            return super().state_traffic(width, context)
        return self.state_elements(width, context) + self.state_elements(width, 1)

    def activation_elements(self, width: int) -> int:
        """Intermediate results of Hyena-X, and the filtered `k * v`."""
        return super().activation_elements(width) + width


def fourier_flops(tokens: int) -> int:
    """FLOPs of a channel's causal convolution with a filter as long as its inputs, by Fourier transforms.

    Both are filled up with zeros to N = twice the tokens, so that nothing goes round, transformed, multiplied
    and transformed back (Poli et al., arXiv 2302.10866, section 2). A transform of N real numbers counts
    2.5 N log2 N, as FFTW's benchmark counts it (fftw.org/speed/method.html); each of N / 2 + 1 complex
    products counts 6.
    """
    size = 2 * tokens
    return ceil(3 * 2.5 * size * log2(size)) + 6 * (tokens + 1)
