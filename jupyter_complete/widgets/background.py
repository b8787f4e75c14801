"""A completion that is written while the user works on: its text as it grows, a Stop, and the finished output.

The page's part goes when the text is done; what stays in the notebook is a static output, as of any other cell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..completion import Completion
from ..worker import Stream
from .base import View, module, sentence_of, styles
from .growing import Growing
from .kept import Kept

WRITING = "This text is being written in the background."


class Background(View):
    """Follows one stream. `form` is that of Completion.bundle, `echo` puts the prompt ahead of the text.

    `when_done` is told what came of it.
    """

    said = "A text that was written in the background; it follows."

    _esm = module("common", "urgent", "background")
    _css = styles("common", "background")

    def __init__(self, stream: Stream, echo: bool, form: str, when_done: Callable[[Completion], None]) -> None:
        super().__init__()
        self._stream = stream
        self._echo = echo
        self._form = form
        self._when_done = when_done
        self._kept = Kept()
        self._growing = Growing(self)
        self.publish()

    def publish(self) -> None:
        draft = self._stream.draft
        before = draft.prompt if self._echo else ""
        self.show(done=draft.finish is not None, before=before, texts=list(draft.texts))

    def begin(self) -> None:
        """Show it under the cell that runs, and follow the stream."""
        from IPython.display import display

        display(self.alone(), raw=True)
        self._kept.place({"text/plain": WRITING})
        threading.Thread(target=self._follow, daemon=True, name="jupyter_complete background").start()

    def do_stop(self) -> None:
        self._stream.stop()

    def close(self) -> None:
        """Take it away; the text that is being written ends."""
        self.do_stop()
        super().close()

    def _follow(self) -> None:
        done = self._growing.follow(self._stream)
        self.publish()
        error = self._stream.error
        if error is None or done.text:
            self._when_done(done)
            self._kept.place_again(dict(done.bundle(done.prompt if self._echo else "", self._form)))
        if error is not None:
            self.refuse(error)
            if not done.text:
                self._kept.place_again({"text/plain": sentence_of(error)})


def begin(stream: Stream, echo: bool, form: str, when_done: Callable[[Completion], None]) -> None:
    """Follow a stream under the cell that runs, which ends at once."""
    Background(stream, echo, form, when_done).begin()
