"""Two texts scored by one model, to be read side by side."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol.views import Displayed
from .completion import Completion
from .measures import joint_logprob


@dataclass(frozen=True)
class Comparison(Displayed):
    """Two scored texts; it displays itself in a notebook."""

    first: Completion
    second: Completion

    @property
    def difference(self) -> float | None:
        """Log P of the first text less that of the second, their first tokens taken as given."""
        one, other = (joint_logprob(side.prompt_tokens[1:]) for side in (self.first, self.second))
        return None if one is None or other is None else one - other

    def __str__(self) -> str:
        return str(self.view())
