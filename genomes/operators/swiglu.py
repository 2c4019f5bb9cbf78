"""SwiGLU feed-forward."""

from typing import ClassVar

from genomes.operators.gated_feed_forward import GatedFeedForward


class SwiGLU(GatedFeedForward):
    """`y = W_down (silu(W_gate x) * W_up x)`. Shazeer, arXiv 2002.05202, equation 6."""

    name: ClassVar[str] = "swiglu"
    module: ClassVar[str] = "proxies.operators.swiglu:SwiGLU"
