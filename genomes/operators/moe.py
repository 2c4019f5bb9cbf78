"""Mixture of SwiGLU experts."""

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from typing import ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number, round_up
from genomes.scale import Scale

_EXPERT = ("gate", "up", "down")


class MoE(Operator):
    """The `top_k` of `experts` SwiGLU feed-forwards that a router chooses for each token, weighted.

    `y = sum over the chosen e of g_e SwiGLU_e(x)`, where `g` is the softmax of the router's logits `x W`:
    over the chosen with `normalise` (Mixtral: Jiang et al., arXiv 2401.04088, section 2.1), else over all
    (Switch: Fedus et al., arXiv 2101.03961, equations 1 and 2). No token is dropped, so an output does not
    depend on other tokens. A shared expert sees every token and is added (DeepSeekMoE: Dai et al., arXiv
    2401.06066, equation 9), with `shared_gated` times `sigmoid(x w)`, as in Qwen3-Next.
    """

    name: ClassVar[str] = "moe"
    kind: ClassVar[Kind] = "memoryless"
    module: ClassVar[str] = "proxies.operators.moe:MoE"
    settings: ClassVar[Mapping[str, Setting]] = {
        "ratio": Setting(Fraction(2), Fraction(1, 16), 64),
        "experts": Setting(Fraction(8), 2, 1024, whole=True),
        "top": Setting(Fraction(2), 1, 64, whole=True),
        "shared": Setting(None, Fraction(1, 16), 64, optional=True),
    }
    positional: ClassVar[bool] = True

    experts: int = Field(ge=2, le=MAX_SIZE)
    top_k: int = Field(ge=1, le=MAX_SIZE, description="experts that work on a token")
    hidden: int = Field(ge=1, le=MAX_SIZE, description="feed-forward width of an expert")
    shared_hidden: int | None = Field(
        default=None, ge=1, le=MAX_SIZE, description="feed-forward width of the shared expert; null: none"
    )
    shared_gated: bool = Field(default=False, description="whether a sigmoid weights the shared expert")
    normalise: bool = Field(default=True, description="whether the weights of the chosen sum to 1")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`ratio` and `shared` times the width, rounded up to multiples of 16; a single choice keeps its
        probability as its weight, so that the router learns from it."""
        shared, top = settings["shared"], int(number(settings, "top"))
        return cls(
            experts=int(number(settings, "experts")),
            top_k=top,
            hidden=round_up(number(settings, "ratio") * scale.width, 16),
            shared_hidden=None if shared is None else round_up(shared * scale.width, 16),
            normalise=top > 1,
        )

    def check(self, width: int) -> None:
        """No more are chosen than there are, weights of the chosen can differ, and what is gated exists."""
        del width
        if self.top_k > self.experts:
            raise InvalidInput(f"top_k = {self.top_k} is more than experts = {self.experts}")
        if self.shared_gated and self.shared_hidden is None:
            raise InvalidInput("shared_gated = true with shared_hidden = null; expected false, or a width")
        if self.top_k == 1 and self.normalise:
            raise InvalidInput(
                "normalise = true with top_k = 1 weights every choice 1, from which no router learns; "
                "expected normalise = false, or top_k of at least 2"
            )

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """The router, three matrices an expert, three of the shared expert and its gate's column."""
        experts, hidden, shared = self.experts, self.hidden, self.shared_hidden
        weights: dict[str, tuple[int, ...]] = {
            "router": (width, experts),
            "gate": (experts, width, hidden),
            "up": (experts, width, hidden),
            "down": (experts, hidden, width),
        }
        if shared is not None:
            weights |= {"shared_gate": (width, shared), "shared_up": (width, shared)}
            weights["shared_down"] = (shared, width)
        if self.shared_gated:
            weights["shared_router"] = (width, 1)
        return weights

    def decode_flops(self, width: int, context: int) -> int:
        """Router, chosen experts and shared expert, whatever the context."""
        del context
        always = self.matrix_flops(width, *(name for name in self.weights(width) if name not in _EXPERT))
        return always + self.top_k * self.matrix_flops(width, *_EXPERT) // self.experts

    def weight_traffic(self, width: int, tokens: int) -> int:
        """All, but for the experts that no token is expected to choose.

        Which they choose depends on the data; a balanced router, as the load-balancing loss makes it, leaves
        each expert to the others with probability `(1 - top_k / experts)^tokens`.
        """
        weights = self.weights(width)
        chosen_from = sum(prod(weights[name]) for name in _EXPERT)
        idle = (1 - self.top_k / self.experts) ** tokens
        return super().weight_traffic(width, tokens) - round(idle * chosen_from)

    def activation_elements(self, width: int) -> int:
        """Logits; input, gate, up, their product and output of each chosen expert, and of the shared one."""
        return self.experts + self.top_k * (3 * self.hidden + 2 * width) + 3 * (self.shared_hidden or 0)
