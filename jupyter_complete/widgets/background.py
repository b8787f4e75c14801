"""A completion that is written while the user works on: its text as it grows, a Stop, and the finished output.

When the text is done a static output takes the widget's place, as of any other cell: a notebook that is read without
a kernel would show the widget as an error. A page that was loaded meanwhile, and finds no output to replace, goes on
showing the text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from ..results.completion import Completion
from ..session.stream import Stream
from .rerun import close_at_rerun
from .streaming import StreamingView
from .view import View, module, sentence_of, styles


class Background(View):
    """Follows one stream. `form` is that of Completion.bundle, `echo` puts the prompt ahead of the text.

    `when_done` is told what came of it.
    """

    said = "This text is being written in the background."

    _esm = module("common", "control_channel", "alive", "notebook", "background")
    _css = styles("common", "background")

    def __init__(self, stream: Stream, echo: bool, form: str, when_done: Callable[[Completion], None]) -> None:
        super().__init__()
        self._stream = stream
        self._echo = echo
        self._form = form
        self._when_done = when_done
        self._streaming = StreamingView(self)
        self.publish()

    def publish(self) -> None:
        draft = self._stream.draft
        before = draft.prompt if self._echo else ""
        done = draft.finish is not None
        footer = self._stream.completion().footer() if done else ""
        self.show(done=done, before=before, texts=list(draft.texts), footer=footer)

    def begin(self) -> None:
        """Show it under the cell that runs, and follow the stream."""
        close_at_rerun(self.close)
        self._output.place(self.alone())
        threading.Thread(target=self._follow, daemon=True, name="jupyter_complete background").start()

    def do_stop(self) -> None:
        self._stream.stop()

    def close(self) -> None:
        """Take it away; the text that is being written ends."""
        self.do_stop()
        super().close()

    def _follow(self) -> None:
        try:
            self._streaming.follow(self._stream)
        finally:  # whoever waits for the text gets it, even if the page is gone
            done = self._stream.completion()
        self.publish()
        error = self._stream.error
        if error is not None:
            self.refuse(error)
        if error is None or done.text or done.thinking:
            self._when_done(done)
        self._output.replace(self._finished(done, error))

    def _finished(self, done: Completion, error: BaseException | None) -> dict[str, str]:
        """The output that stays: the completion, with what went wrong in its footer, or that alone."""
        if error is not None and not (done.text or done.thinking):
            return {"text/plain": sentence_of(error)}
        shown = done if error is None else replace(done, notes=(*done.notes, sentence_of(error)))
        return dict(shown.bundle(done.prompt if self._echo else "", self._form))


def begin(stream: Stream, echo: bool, form: str, when_done: Callable[[Completion], None]) -> None:
    """Follow a stream under the cell that runs, which ends at once."""
    Background(stream, echo, form, when_done).begin()
