"""GeGLU feed-forward."""

from typing import ClassVar

from pydantic import Field

from genomes.operators.gated_feed_forward import GatedFeedForward


class GeGLU(GatedFeedForward):
    """`y = W_down (gelu(W_gate x) * W_up x)`. Shazeer, arXiv 2002.05202, equation 6.

    With the tanh form of GELU (Hendrycks and Gimpel, arXiv 1606.08415, section 2), as Gemma (arXiv
    2403.08295) and Griffin (arXiv 2402.19427) use it; RecurrentGemma (arXiv 2404.07839) has biases.
    """

    name: ClassVar[str] = "geglu"
    module: ClassVar[str] = "proxies.operators.geglu:GeGLU"

    bias: bool = Field(default=False, description="a bias after each matrix")

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Three matrices, and their biases where asked."""
        inner, outer = (self.hidden,), (width,)
        biases = {"gate_bias": inner, "up_bias": inner, "down_bias": outer} if self.bias else {}
        return super().weights(width) | biases
