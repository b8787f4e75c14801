"""What the views of a completion's inside share: a page asks for numbers, and gets them with what it asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..session.inside import Inside
from .latest_only import LatestOnly
from .view import View, sentence_of


class InsideWidget(View):
    """A view of `inside`. What is looked at in it (a step, a head, settings of a replay) is the page's."""

    def __init__(self, inside: Inside, **traits: Any) -> None:
        super().__init__(**traits)
        self.inside = inside
        self._questions = LatestOnly(f"jupyter_complete {type(self).__name__}")
        self.publish()

    def close(self) -> None:
        self._questions.drop()
        super().close()

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until everything that was asked is answered."""
        self._questions.wait(timeout)

    def publish(self) -> None:
        self.show(**page_tokens(self.inside))

    def see(self, inside: Inside) -> None:
        """Have another completion in its place."""
        self.inside = inside
        self.publish()

    def look(self, kind: str, asked: Mapping[str, Any], find: Callable[[Inside], Mapping[str, Any]]) -> None:
        """Have something found, in another thread, and told; of each kind the newest question counts."""
        self._questions.do(kind, partial(self.answer, self.inside, kind, asked, find))

    def answer(
        self, inside: Inside, kind: str, asked: Mapping[str, Any], find: Callable[[Inside], Mapping[str, Any]]
    ) -> None:
        """Find and tell, or tell why not; nothing where another completion is shown meanwhile."""
        try:
            found = find(inside)
        except (Exception, KeyboardInterrupt) as error:  # said in the page, for this thread has no cell
            self.tell("unanswered", of=kind, asked=asked, text=sentence_of(error))
        else:
            if inside is self.inside:
                self.tell(kind, asked=asked, found=found)


def page_tokens(inside: Inside) -> dict[str, Any]:
    """The tokens, which a page has without asking: of each its text, id, and bytes in hexadecimal."""
    trace, pieces = inside.trace, inside.trace.pieces
    parts = {"source": trace.prompt_ids, "before": trace.before, "taken": trace.ids.tolist()}
    tokens = {name: [[pieces.text(id), id, pieces.bytes(id).hex(" ")] for id in ids] for name, ids in parts.items()}
    return {**tokens, "encodes": trace.encodes}
