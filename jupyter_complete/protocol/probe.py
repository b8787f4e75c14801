"""What a model's probe found: the checks that a model passes, or not, before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .plan import Form

CheckName = Literal["tokenizer", "numbers", "float32", "pieces", "kv"]
"""What is compared: the tokenizer with its file, all logits with finite numbers, the fast form with a plain forward
pass, a text in pieces with the same text in one pass, an int8 KV cache with one of float32."""


OF_FORM: Mapping[Form | None, tuple[CheckName, ...]] = {
    "compiled": ("numbers", "float32", "pieces"),
    "int8 modules": ("numbers", "float32"),  # a text that cannot be read in pieces is read whole
}
"""The checks without which a form is not used."""

FAULTS: tuple[CheckName, ...] = ("tokenizer", "numbers", "float32", "pieces")
"""The checks whose failure a user is told. Without the others a model uses something else instead."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: whether it holds, and a clause with its numbers."""

    name: CheckName
    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Loss:
    """What rounded weights cost on the text of the check, beside float32.

    `kl` is the divergence from float32 in nats a token; the perplexities are of the text itself.
    """

    kl: float
    perplexity: float
    float32_perplexity: float


@dataclass(frozen=True, slots=True)
class Probe:
    """The checks of one model in one form, on a text of so many tokens, and what the form costs where it rounds."""

    tokens: int
    checks: tuple[Check, ...]
    loss: Loss | None = None

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.holds)

    def failure(self, *names: CheckName) -> str:
        """The clauses of the checks that do not hold, joined, of these names or of all; "" where all hold."""
        return "; ".join(check.text for check in self.failures if not names or check.name in names)
