"""Two texts scored by one model, to be read side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .completion import Completion
from .measures import joint
from .render.compare import compare
from .render.inside import InsideView


@dataclass(frozen=True)
class Comparison:
    """Two scored texts; it displays itself in a notebook."""

    first: Completion
    second: Completion

    @property
    def difference(self) -> float | None:
        """Log P of the first text less that of the second, their first tokens taken as given."""
        one, other = (joint(side.prompt_tokens[1:]) for side in (self.first, self.second))
        return None if one is None or other is None else one - other

    def view(self) -> InsideView:
        """Both, a row for each token."""
        sides = (self.first, self.second)
        texts, tokens = (sides[0].prompt, sides[1].prompt), (sides[0].prompt_tokens, sides[1].prompt_tokens)
        model = self.first.model
        return InsideView([compare(texts, tokens)], f"{model.name} ({model.dtype}, {model.device})" if model else "")

    def __str__(self) -> str:
        return str(self.view())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, str]:
        return self.view().bundle()
