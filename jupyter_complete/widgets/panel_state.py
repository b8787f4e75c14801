"""What stands in a panel: a text of the user's and the model's, and what is asked and told of its completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..notebook.as_code import changed_options
from ..protocol.config import Complete
from ..protocol.sampling import Sampling
from ..results.branches import path
from ..results.completion import Completion

YOU, MODEL = "you", "model"
LISTED = 60  # characters of a completion that is listed
MEASURED = 2_000  # characters of a prompt that is measured token by token; a longer one takes long

Piece = tuple[str, str]  # who wrote it, and the text


@dataclass(frozen=True, slots=True)
class PanelState:
    """What stands in the panel: a text before, by whom, the completion that goes on from it, and the text after it."""

    before: tuple[Piece, ...] = ()
    completion: Completion | None = None
    continuations: tuple[Completion, ...] = ()  # among which `completion` was chosen
    after: tuple[Piece, ...] = ()
    block: bool = False  # the completion is an answer, which stands without the blanks round it
    replaced: str | None = None  # the text that the completion is to replace
    suggested: bool = False  # it is to be accepted or refused

    @property
    def written(self) -> str:
        """The model's text, as it stands in the panel."""
        if self.completion is None:
            return ""
        return self.completion.text.strip() if self.block else self.completion.text

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return (*self.before, (MODEL, self.written), *self.after) if self.completion is not None else self.whole

    @property
    def caret(self) -> int:
        """The number of pieces before the place where the user writes on: behind an answer, behind its empty line."""
        gap = self.block and self.after and not self.after[0][1].strip("\n")
        return len(self.before) + (self.completion is not None) + bool(gap)

    @property
    def whole(self) -> tuple[Piece, ...]:
        """All but the model's text."""
        return (*self.before, *self.after)

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.pieces)

    @property
    def scene(self) -> PanelState:
        """The same without its completion: where another one can be written."""
        return replace(self, completion=None, continuations=())

    @property
    def accepted(self) -> PanelState:
        """The same with its suggestion as a part of the text."""
        if self.replaced is None:
            return replace(self, suggested=False)
        return PanelState((*self.before, (MODEL, self.written)), after=self.after)

    def ends_at(self, pieces: Sequence[Piece]) -> bool:
        """Whether `pieces` end where the completion does; after an answer, anywhere before what is typed next."""
        text, end = "".join(text for _, text in pieces), "".join(text for _, text in self.before) + self.written
        return text.rstrip() == end.rstrip() if self.block else text == end


def is_measured(text: str) -> bool:
    """Whether a prompt is measured token by token."""
    return len(text) <= MEASURED


def same_again(one: Completion, asked: Mapping[str, Any]) -> bool:
    """Whether the model would choose the same tokens, and come as far, with the sampling that is asked for."""
    if not one.params.greedy or one.finish_reason not in ("stop", "length"):
        return False
    names = set(Sampling.__dataclass_fields__) - {"seed", "candidates"}
    wanted = {name: value for name, value in asked.items() if name in names}
    return all(
        getattr(one.params, name) == (tuple(value) if name == "stop" else value) for name, value in wanted.items()
    )


def card(one: Completion) -> dict[str, Any]:
    """One of several continuations: its text, and its mean logprob a token."""
    logprobs = [step.logprob for step in one.tokens if step.logprob is not None]
    return {"text": one.text, "mean": round(sum(logprobs) / len(logprobs), 3) if logprobs else None}


def history_entry(one: Completion, config: Complete) -> dict[str, Any]:
    """A completion of the history: a number of it, how it begins, and by what settings."""
    return {
        "number": id(one),  # its place changes once the history is full
        "prompt": one.prompt[-LISTED:],
        "text": one.text[:LISTED],
        "how": " · ".join(f"{name} {value}" for name, value in changed_options(one, config)),
        "depth": len(path(one)) - 1,
    }
