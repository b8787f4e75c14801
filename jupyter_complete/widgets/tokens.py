"""The token view that is clicked: every token with what was weighed, and its candidates to branch on."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

from ..protocol.events import Candidate, Step
from ..render import panel
from ..results.branches import forks, sibling_on_path, siblings
from ..results.completion import Completion
from ..results.measures import characters, coverage, entropy, own_candidate, perplexity
from ..session.session import Session, current
from ..session.stream import Stream
from .view import View, module, styles

DETAILED = 400  # tokens whose candidates are in the snapshot; of more they are asked for, token by token


class Tokens(View):
    """The token view of one completion; a candidate that is clicked becomes a branch of it, which is shown instead."""

    said = "The token view, which a notebook with a kernel shows here; what it shows follows."

    _esm = module("common", "control_channel", "alive", "notebook", "tokens")
    _css = styles("common", "tokens")

    def __init__(self, one: Completion, session: Session) -> None:
        super().__init__()
        self.one = one
        self._session = session
        self.publish()

    def do_branch(self, at: int, token: int) -> None:
        """Begin a branch, and show it when it is there."""
        stream = self._session.branch(self.one, at, token)
        threading.Thread(target=self._show, args=(stream,), daemon=True, name="jupyter_complete tokens").start()

    def _show(self, stream: Stream) -> None:
        done = stream.completion()
        if stream.error is None or done.text:
            self.one = done
            self.publish()
        if stream.error is not None:
            self.refuse(stream.error)

    def publish(self) -> None:
        self.show(**token_columns(self.one))
        self._output.replace(self._static())

    def _static(self) -> dict[str, str]:
        return dict(panel.bundle(self.one.prompt + self.one.text, self.one.view().bundle()))

    def do_weigh(self, part: int, at: int) -> None:
        self.tell("weighed", part=part, at=at, top=candidates(self.one, part, at))

    def do_sibling(self, at: int, step: int) -> None:
        self.one = sibling(self.one, at, step)
        self.publish()


def tokens(one: Completion) -> Tokens:
    """The token view of a completion, to click in; `one.view()` is the same as a static output."""
    return Tokens(one, current())


def token_columns(one: Completion) -> dict[str, Any]:
    """What a page draws of a completion's tokens: columns for each part, and the places where the text forks."""
    parts = [("prompt", one.prompt_tokens, None), ("completion", one.tokens, one.end)]
    many = sum(len(steps) for _, steps, _ in parts) > DETAILED
    return {
        "parts": [_columns(name, steps, end, many) for name, steps, end in parts if steps or end],
        "forks": [[at, *_place_among(one, at)] for at in forks(one) if not _only_longer(one, at)],
    }


def candidates(one: Completion, part: int, at: int) -> list[list[Any]]:
    """The candidates of a token, of the part and place that a page names."""
    shown = [steps for steps in ((*one.prompt_tokens,), _with_end(one.tokens, one.end)) if steps]
    return [_candidate(candidate) for candidate in shown[part][at].top]


def sibling(one: Completion, at: int, step: int) -> Completion:
    """The completion `step` further among those that fork at a place, round and round."""
    among = siblings(one, at)
    return among[(among.index(sibling_on_path(one, at)) + step) % len(among)]


def _only_longer(one: Completion, at: int) -> bool:
    """Whether a completion that ended at a place was continued once: there is no other text to see."""
    first, *others = siblings(one, at)
    return len(others) == 1 and len(first.tokens) == at


def _place_among(one: Completion, at: int) -> tuple[int, int]:
    """Which one of how many."""
    among = siblings(one, at)
    return among.index(sibling_on_path(one, at)) + 1, len(among)


def _with_end(steps: Sequence[Step], end: Step | None) -> tuple[Step, ...]:
    return (*steps, end) if end is not None else tuple(steps)


def _columns(name: str, steps: Sequence[Step], end: Step | None, many: bool) -> dict[str, Any]:
    """One list for each number, of all tokens; `groups` are the places where a character begins."""
    every, worth = _with_end(steps, end), perplexity(steps)
    bits = [entropy(step) for step in every]
    return {
        "name": name,
        "texts": [_text(step) for step in every],
        "ids": [step.id for step in every],
        "logprobs": [None if step.logprob is None else round(step.logprob, 3) for step in every],
        "ranks": [step.rank for step in every],
        "bits": [None if each is None else round(each, 2) for each in bits],
        "covered": [round(coverage(step), 4) for step in every],
        "groups": [places.start for places in characters(steps)] + [len(steps)] * (end is not None),
        "tops": None if many else [[_candidate(candidate) for candidate in step.top] for step in every],
        "perplexity": None if worth is None else round(worth, 2),
    }


def _text(step: Step) -> str:
    """A token's text, or the name of one that adds none."""
    known = own_candidate(step)
    return step.text or (known.text if known else "")


def _candidate(one: Candidate) -> list[Any]:
    """Its text and id, its raw probability, the one after sampling, and what cut it."""
    return [
        one.text,
        one.id,
        round(math.exp(one.logprob), 6),
        None if one.prob is None else round(one.prob, 6),
        one.cut,
    ]
