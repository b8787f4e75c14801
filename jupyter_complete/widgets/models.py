"""The model panel: what is resident, in measured bytes, what can be loaded, and how far a load is."""

from __future__ import annotations

import threading
from typing import Any

from ..protocol.config import Complete
from ..protocol.errors import CompleteError
from ..render import tables as models_view
from ..render.progress import Progress
from ..results.draft import Wait
from ..session import status
from ..session.session import Session
from ..session.stream import Pending
from .rerun import close_at_rerun
from .view import View, module, sentence_of, styles


class ModelsPanel(View):
    """The models of a session. Loading and unloading are followed by threads of their own."""

    said = "The model panel, which a notebook with a kernel shows here; what was resident follows."

    _esm = module("common", "control_channel", "alive", "notebook", "models")
    _css = styles("common", "models")

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._stream: Pending[Wait] | None = None
        self._said = ""
        self.publish()

    def _static(self) -> dict[str, str]:
        rows = [status.row(self._session, one) for one in self._session.models]
        if not rows:
            return {"text/plain": f"No model is resident; %%complete loads {self._session.config.model}."}
        table = models_view.table_html(status.HEAD, rows)
        html = f"<details><summary>{len(rows)} resident, kept with the notebook</summary>{table}</details>"
        return {"text/plain": models_view.table_plain(status.HEAD, rows), "text/html": html}

    def _ipython_display_(self) -> None:
        close_at_rerun(self.close)
        super()._ipython_display_()

    def publish(self) -> None:
        session, residents = self._session, list(self._session.models)
        self.show(
            head=status.HEAD,
            residents=[[one.name, *status.row(session, one)] for one in residents],
            notes=[said for resident in residents for said in status.notes(resident)],
            sources=[[name, what] for name, resident, what in status.sources(session) if not resident],
            dtypes=list(Complete.dtype.values or ()),
            also=status.ALSO,
            default=session.config.model,
            busy=self._stream is not None,
            said=self._said,
        )
        self._output.replace(self._static())

    def do_load(self, name: str, dtype: str = "auto", device: str = "auto") -> None:
        """Get a model ready, and tell how far it is."""
        if self._stream is not None:
            return
        settings = self._session.config.checked({"dtype": dtype, "device": device})
        self._stream = self._session.models.load(name.strip(), *self._session.config.loading(settings))
        self._said = ""
        self.publish()
        self._start_thread(self._follow, self._stream)

    def do_use(self, name: str) -> None:
        """Make a model the one that is asked where none is named."""
        self._session.config.model = name
        self._said = f"{name} is the default now."
        self.publish()

    def do_unload(self, name: str) -> None:
        self._start_thread(self._unload, name)

    def do_stop(self) -> None:
        """End the load that runs."""
        if (stream := self._stream) is not None:
            stream.stop()

    def close(self) -> None:
        self.do_stop()
        super().close()

    def _follow(self, stream: Pending[Wait]) -> None:
        progress = Progress()
        for event in stream.ticks():
            if event is None or stream.draft.loading is event:
                self.tell("waiting", text=progress.text(stream.draft, ""))
        self._stream = None
        finish = stream.draft.finish
        stopped = finish is not None and finish.reasons[0] == "interrupted"
        self._said = sentence_of(stream.error) if stream.error else "Loading was stopped." if stopped else ""
        self.publish()

    def _unload(self, name: str) -> None:
        try:
            self._said = status.given_back(self._session.models.unload(name, self._session.namespace))
        except CompleteError as error:
            self._said = str(error)
        self.publish()

    @staticmethod
    def _start_thread(work: Any, *given: Any) -> None:
        threading.Thread(target=work, args=given, daemon=True, name="jupyter_complete models").start()
