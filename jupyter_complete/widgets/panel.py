"""The completion panel: one text of the user's and the model's, and all that can be done with it, by the mouse.

The panel owns what stands in it now, what stood in it before, and the request that runs; models, settings and history
are the session's. A request is watched by a thread of its own, so that no call from a page ever waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from traitlets import Dict

from ..notebook.as_code import as_code
from ..protocol.errors import BadOption
from ..protocol.request import Framing
from ..render import panel as panel_view
from ..results.completion import Completion
from ..session.session import Session, current
from .controls import CONTROLS, of_panel
from .document import Document, typed, units
from .front_end_cell import running_cell
from .panel_state import YOU, PanelState, card, history_entry
from .place import place
from .requests import Requests
from .tokens import candidates, sibling, token_columns
from .versions import Versions
from .view import module, sendable, styles

SHARED = ("common", "control_channel", "alive", "notebook", "new_cell", "tokens")
TEXT = ("text_copy", "journal", "document", "reopen", "export")
PARTS = (*SHARED, *TEXT, "paper", "editor", "settings", "suggestion", "versions", "panel")  # of its module
STEPS_BACK = 100  # that can be undone
RECENT = 50  # completions of the history that are listed
FIRST_ANSWER = 1.0  # seconds that a page has to send what the notebook stores


class Panel(Requests):
    """The panel of one document: a named one, or that of the cell that shows it.

    `text` is what stands there, `completion` the model's last part of it, None before the first one.
    """

    said = "A text written with jupyter_complete. Run this cell to write on."

    _esm = module(*PARTS)
    _css = styles("common", "tokens", "panel")
    controls = Dict().tag(sync=True)
    document = Dict().tag(sync=True)  # whose text this is, and how its cell would begin it
    draft = Dict().tag(sync=True, to_json=lambda _, panel: panel._draft())  # read by a page that is loaded later

    def __init__(self, session: Session, prompt: str = "", name: str = "", cell: str = "") -> None:
        self._typed: Document | None = None  # the text as a page has typed on since the state
        self._revision = 0  # the newest known, of the state or of what was typed
        about = {"name": name, "cell": cell, "prompt": sendable(prompt)}
        super().__init__(controls={"controls": CONTROLS}, document=about)
        self._session = session
        self._state = _beginning(prompt)
        self._settled = 0  # the revision of the state
        self._heard = threading.Event()  # set once a page has answered with what its notebook stores
        self._heard_by = time.monotonic() + (FIRST_ANSWER if self._urgent else 0)
        self._past: list[PanelState] = []
        self._future: list[PanelState] = []
        self._versions = Versions()
        self._settings: dict[str, Any] = {}
        self.publish()

    @property
    def completion(self) -> Completion | None:
        return self._state.completion

    def close(self) -> None:
        """Take the panel away; its request is stopped."""
        self.do_stop()
        super().close()

    @property
    def text(self) -> str:
        """What stands in the panel, typed and written."""
        if self._revision == 0:  # a new kernel: the text may be in the notebook
            self._heard.wait(max(0.0, self._heard_by - time.monotonic()))
        with self.lock:
            return self._typed.text if self._typed else self._state.text

    def begin(self, prompt: str) -> None:
        """The cell's prompt, which begins a document in which nothing was written yet and leaves any other alone."""
        with self.lock:
            self.document = {**self.document, "prompt": sendable(prompt)}
            if self._revision == 0 and not self.busy and prompt:
                self._state = _beginning(prompt)
            self.publish()  # with the settings and the history as they are now

    def publish(self) -> None:
        with self.lock:
            state, config = self._state, self._session.config
            one = state.completion
            if not self.busy:
                self._versions.add(state)
            self.show(
                pieces=list(state.pieces),
                written=len(state.before) + 1 if one else None,
                caret=state.caret,
                suggested=state.suggested,
                replaced=state.replaced,
                versions=self._versions.listed(),
                kept=self._versions.stored(state.pieces) if self._heard.is_set() else None,
                total=len(one.prompt_ids) + len(one.tokens) if one and not (state.after or state.block) else None,
                revision=self._settled,
                draft=self._draft(),
                busy=self.busy,
                undo=bool(self._past),
                redo=bool(self._future),
                footer=one.footer() if one else "",
                tokens=token_columns(one) if one else {"parts": [], "forks": []},
                cards=[{**card(each), "taken": each is one} for each in self._several()],
                ended=one is not None and one.end is not None,
                recent=self._recent(),
                settings=(settings := of_panel(config, self._settings)),
                lacks=self._session.models.lacks(settings["model"]),
                known=self._session.known(),
                code=as_code(one, config) if one else "",
            )

    def do_accept(self, pieces: Sequence[Sequence[str]]) -> None:
        """Keep what was suggested as a part of the text."""
        state = self._merge(pieces)
        if state.suggested and not self.busy:
            self._settle(state.accepted)
        else:
            self.publish()

    def do_refuse(self, pieces: Sequence[Sequence[str]]) -> None:
        """Have the text as it was before what was suggested."""
        if self._merge(pieces).suggested:
            self.do_undo(pieces)
        else:
            self.publish()

    def do_restore(self, number: int, pieces: Sequence[Sequence[str]]) -> None:
        """Have a version of the text again; what stands there now is kept by Undo."""
        if (state := self._versions.find(number)) is not None:
            self._choose(replace(state, suggested=False), pieces)

    def do_undo(self, pieces: Sequence[Sequence[str]]) -> None:
        self._turn(self._past, self._future, pieces)

    def do_redo(self, pieces: Sequence[Sequence[str]]) -> None:
        self._turn(self._future, self._past, pieces)

    def do_sibling(self, at: int, step: int, pieces: Sequence[Sequence[str]] | None = None) -> None:
        """Show the next branch at a fork, or the one before; what was typed since is kept by Undo."""
        if (one := self._state.completion) is not None:
            self._choose(replace(self._state.scene, completion=sibling(one, at, step)), pieces)

    def do_take(self, number: int, pieces: Sequence[Sequence[str]] | None = None) -> None:
        """Show one of several continuations."""
        if (one := self._state.completion) is not None:
            several = self._several()
            taken = (several or (one,))[number]
            self._choose(replace(self._state.scene, completion=taken, continuations=several), pieces)

    def do_recall(self, number: int, pieces: Sequence[Sequence[str]] | None = None) -> None:
        """Show a completion of the history again, by the number it was listed with."""
        one = next((one for one in list(self._session.history) if id(one) == number), None)
        if one is None:
            raise BadOption("That completion is no longer in the history.", "Take another one.")
        framing = one.request.framing if one.request else Framing()
        here = place(((YOU, sendable(one.typed)),), chat=framing.chat or bool(framing.thread), task=framing.task)
        self._choose(PanelState(here.before, one, block=here.block), pieces)

    def do_keep(self, revision: int, at: int, gone: int, put: Sequence[Sequence[str]], size: int) -> None:
        """What was typed, as a splice of the text before; a page that misses a message sends the whole text."""
        with self.lock:
            if self.busy or revision <= self._revision:
                return
            before = self._typed or Document(self._state.pieces, self._settled)
            after = before.splice(at, gone, put, revision)
            if units(after.text) != size:
                self.tell("whole")
                return
            self._keep(after)

    def do_take_up(
        self, pieces: Sequence[Sequence[str]] | None, revision: int = 0, versions: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """The text that the notebook stores, where it is newer than ours; None where it stores none. A new kernel has
        the `versions` that are stored beside it, too."""
        with self.lock:
            if pieces is not None and revision > self._revision and not self.busy:
                pieces = typed(pieces)
                if self._revision:
                    self._remember()
                elif not self._heard.is_set():
                    self._versions.take_up(pieces, versions)
                self._heard.set()
                self._state, self._typed = PanelState(pieces), None
                self._revision = self._settled = revision
                self.publish()
                self._store()
            self._heard.set()

    def do_anew(self, pieces: Sequence[Sequence[str]]) -> None:
        """Begin with the cell's prompt again; the text is kept by Undo."""
        self._choose(_beginning(self.document["prompt"]), pieces)

    def do_weigh(self, part: int, at: int) -> None:
        if self._state.completion is not None:
            self.tell("weighed", part=part, at=at, top=candidates(self._state.completion, part, at))

    def _static(self) -> dict[str, str]:
        one = self._state.completion
        return dict(panel_view.bundle(self._state.text, one.view().bundle() if one else None))

    def _static_metadata(self) -> dict[str, Any]:
        """Whose text it is, and how far the text goes in each of its contents, so that a page can replace it."""
        lengths = {kind: units(content) for kind, content in panel_view.head(self._state.text).items()}
        return {"jupyter_complete": {"document": self.document["name"], "lengths": lengths}}

    def _dispatch(self, message: object) -> None:
        """Note the revision of the page's text, then do what the page asks for."""
        newest = message.pop("newest", 0) if isinstance(message, dict) else 0
        if isinstance(newest, int):
            self._revision = max(self._revision, newest)
        super()._dispatch(message)

    def _merge(self, pieces: Sequence[Sequence[str]]) -> PanelState:
        """What stands in the panel, with what was typed into it since."""
        given = typed(pieces)
        if "".join(text for _, text in given) != self._state.text:
            self._remember()
            self._state = PanelState(given)
            self._revision += self._typed is None
        self._settled, self._typed = self._revision, None
        return self._state

    def _several(self) -> tuple[Completion, ...]:
        """The continuations of one request, if there is more than one."""
        one = self._state.completion
        return self._state.continuations or ((one, *one.alternatives) if one is not None and one.alternatives else ())

    def _choose(self, state: PanelState, pieces: Sequence[Sequence[str]] | None) -> None:
        """Have another scene, which is not written now."""
        if self.busy:
            raise BadOption("A completion is being written.", "Stop it first.")
        given = pieces if pieces is not None else self._typed.pieces if self._typed else None
        if given is not None:
            self._merge(given)
        self._replace(state)

    def _replace(self, state: PanelState) -> None:
        """Have another scene, which can be undone."""
        with self.lock:
            self._remember()
            self._future.clear()
            self._settle(state)

    def _turn(self, here: list[PanelState], there: list[PanelState], pieces: Sequence[Sequence[str]]) -> None:
        with self.lock:
            if self.busy:
                return
            self._merge(pieces)
            state = self._state
            if here:
                there.append(state)
                state = here.pop()
            self._settle(state)

    def _remember(self) -> None:
        self._past.append(self._state)
        del self._past[:-STEPS_BACK]

    def _settle(self, state: PanelState) -> None:
        """Have this state, which is newer than any text so far, in the page and in the notebook."""
        self._state, self._typed = state, None
        self._revision += 1
        self._settled = self._revision
        self.publish()
        self._store()

    def _keep(self, text: Document) -> None:
        self._typed, self._revision = text, text.revision

    def _draft(self) -> dict[str, Any]:
        """What was typed since the state, and its revision."""
        return {"pieces": list(self._typed.pieces), "revision": self._typed.revision} if self._typed else {}

    def _store(self) -> None:
        self._output.replace(self._static(), self._static_metadata())

    def _recent(self) -> list[dict[str, Any]]:
        """The newest completions first: a number of each, how they begin, and by what settings."""
        history = list(self._session.history)
        found = [one for one in history if one.request and one.request.mode == "continue"]
        return [history_entry(one, self._session.config) for one in reversed(found[-RECENT:])]


def _beginning(prompt: str) -> PanelState:
    return PanelState(((YOU, sendable(prompt)),) if prompt else ())


def panel(name: str = "", prompt: str = "") -> Panel:
    """The panel of the document `name`, or of the running cell; `prompt` begins it while nothing was written in it."""
    return open_panel(current(), name, prompt)


def open_panel(session: Session, name: str = "", prompt: str = "") -> Panel:
    """The session's panel of a document, made on first use; a text that stands there stays."""
    cell = "" if name else running_cell()
    opened = session.panels.get((name, cell))
    if not isinstance(opened, Panel) or opened.comm is None:
        session.panels[name, cell] = opened = Panel(session, prompt, name, cell)
    else:
        opened.begin(prompt)
    return opened
