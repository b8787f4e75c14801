"""The completion panel: one text of the user's and the model's, and all that can be done with it, by the mouse.

The panel owns what stands in it now, what stood in it before, and the request that runs; models, settings and history
are the session's. A request is watched by a thread of its own, so that no call from a page ever waits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from traitlets import Dict

from ..notebook.as_code import as_code
from ..protocol.errors import BadOption
from ..protocol.request import Framing
from ..protocol.sampling import Sampling
from ..render import panel as panel_view
from ..results.completion import Completion
from ..session.session import Session, current
from ..session.stream import Stream
from .controls import CONTROLS, of_panel
from .panel_state import MODEL, YOU, PanelState, Piece, card, history_entry, is_measured, same_again
from .streaming import StreamingView
from .tokens import candidates, sibling, token_columns
from .view import View, module, sendable, styles

PARTS = ("common", "control_channel", "alive", "new_cell", "tokens", "editor", "settings", "panel")  # of its module
STEPS_BACK = 100  # that can be undone
RECENT = 50  # completions of the history that are listed


class Panel(View):
    """One panel. `completion` is what it shows, None before the first one."""

    said = "The completion panel, which a notebook with a kernel shows here; what was in it follows."

    _esm = module(*PARTS)
    _css = styles("common", "tokens", "panel")
    controls = Dict().tag(sync=True)

    def __init__(self, session: Session, prompt: str = "") -> None:
        super().__init__(controls={"controls": CONTROLS})
        self._session = session
        self._state = PanelState(((YOU, sendable(prompt)),) if prompt else ())
        self._past: list[PanelState] = []
        self._future: list[PanelState] = []
        self._settings: dict[str, Any] = {}
        self._stream: Stream | None = None
        self._thread: threading.Thread | None = None
        self.publish()

    @property
    def completion(self) -> Completion | None:
        return self._state.completion

    @property
    def busy(self) -> bool:
        return self._stream is not None

    def close(self) -> None:
        """Take the panel away; its request is stopped."""
        self.do_stop()
        super().close()

    def begin(self, prompt: str) -> None:
        """Have another text, of the user's; what stood there can be had again by Undo."""
        self._replace(PanelState(((YOU, sendable(prompt)),)))

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until no request runs, and what has become of it is shown."""
        if self._thread is not None:
            self._thread.join(timeout)

    def publish(self) -> None:
        with self.lock:
            one, config = self._state.completion, self._session.config
            self.show(
                pieces=list(self._state.pieces),
                busy=self.busy,
                undo=bool(self._past),
                redo=bool(self._future),
                footer=one.footer() if one else "",
                tokens=token_columns(one) if one else {"parts": [], "forks": []},
                cards=[{**card(each), "taken": each is one} for each in self._several()],
                ended=one is not None and one.end is not None,
                recent=self._recent(),
                settings=of_panel(config, self._settings),
                known=self._session.known(),
                code=as_code(one, config) if one else "",
            )

    def do_complete(self, pieces: Sequence[Sequence[str]], settings: dict[str, Any]) -> None:
        """Go on from the text as it stands: from the completion by its ids, where nothing of it was changed."""
        state = self._accept(pieces, settings)
        one = state.completion
        if one is not None and self._same_model(one):
            self._run(self._session.more(one, **self._sampling(one)), state.before)
        else:
            options = {**self._own_settings(), "inspect": is_measured(state.text)}
            self._run(self._session.stream(state.text, **options), state.pieces)

    def do_regenerate(self, pieces: Sequence[Sequence[str]], settings: dict[str, Any]) -> None:
        """Another text in the place of the model's last one."""
        state = self._accept(pieces, settings)
        one = state.completion
        if one is None:
            raise BadOption("There is no completion to write anew: the text was changed.", "Complete it instead.")
        if not self._same_model(one):
            options = {**self._own_settings(), "inspect": is_measured(one.typed)}
            self._run(self._session.stream(one.typed, **options), state.before)
            return
        forced = len(one.request.forced) if one.request else 0
        whose, at = (one, (one.at or 0) + forced) if forced or one.parent is None else (one.parent, one.at or 0)
        asked = self._sampling(one, fresh=True)
        if asked.get("seed") == one.seed:  # another text is wanted
            asked.pop("seed", None)
        if same_again(one, asked):
            raise BadOption(
                "Without sampling, at temperature 0 or with beams, the text would be the same again.",
                "Set another temperature, or branch on a token.",
            )
        self._run(self._session.branch(whose, at, **asked), state.before)

    def do_branch(self, at: int, token: int, pieces: Sequence[Sequence[str]], settings: dict[str, Any]) -> None:
        """Go on from a place in the completion with another token; what was typed since is kept by Undo."""
        one = self._state.completion
        before = self._state.before
        if one is None:
            raise BadOption("There is no completion to branch from.", "Complete the text first.")
        self._accept(pieces, settings)
        self._run(self._session.branch(one, at, token, **self._sampling(one)), before)

    def do_stop(self) -> None:
        """End the request that runs; its text stays."""
        if (stream := self._stream) is not None:
            stream.stop()

    def do_undo(self, pieces: Sequence[Sequence[str]]) -> None:
        self._turn(self._past, self._future, pieces)

    def do_redo(self, pieces: Sequence[Sequence[str]]) -> None:
        self._turn(self._future, self._past, pieces)

    def do_sibling(self, at: int, step: int, pieces: Sequence[Sequence[str]] | None = None) -> None:
        """Show the next branch at a fork, or the one before; what was typed since is kept by Undo."""
        if (one := self._state.completion) is not None:
            self._choose(PanelState(self._state.before, sibling(one, at, step)), pieces)

    def do_take(self, number: int, pieces: Sequence[Sequence[str]] | None = None) -> None:
        """Show one of several continuations."""
        if (one := self._state.completion) is not None:
            several = self._several()
            self._choose(PanelState(self._state.before, (several or (one,))[number], several), pieces)

    def do_recall(self, number: int, pieces: Sequence[Sequence[str]] | None = None) -> None:
        """Show a completion of the history again, by the number it was listed with."""
        one = next((one for one in list(self._session.history) if id(one) == number), None)
        if one is None:
            raise BadOption("That completion is no longer in the history.", "Take another one.")
        self._choose(PanelState(((YOU, one.typed),), one), pieces)

    def do_weigh(self, part: int, at: int) -> None:
        if self._state.completion is not None:
            self.tell("weighed", part=part, at=at, top=candidates(self._state.completion, part, at))

    def _static(self) -> dict[str, str]:
        one = self._state.completion
        return dict(panel_view.bundle(self._state.text, one.view().bundle() if one else None))

    def _accept(self, pieces: Sequence[Sequence[str]], settings: dict[str, Any]) -> PanelState:
        """The text as a page has it, and the settings it has; refused while a request runs."""
        if self.busy:
            raise BadOption("A completion is being written.", "Stop it first.")
        self._settings = {name: value for name, value in settings.items() if value is not None}
        state = self._merge(pieces)
        self._session.config.checked(self._settings)
        return state

    def _merge(self, pieces: Sequence[Sequence[str]]) -> PanelState:
        """What stands in the panel, with what was typed into it since."""
        typed = tuple((YOU if who == YOU else MODEL, sendable(text)) for who, text in pieces if text)
        if "".join(text for _, text in typed) != self._state.text:
            self._past.append(self._state)
            self._state = PanelState(typed)
        return self._state

    def _run(self, stream: Stream, before: tuple[Piece, ...]) -> None:
        with self.lock:
            self._stream = stream
        self.tell("begun")
        self._thread = threading.Thread(
            target=self._watch, args=(stream, before), daemon=True, name="jupyter_complete panel"
        )
        self._thread.start()

    def _watch(self, stream: Stream, before: tuple[Piece, ...]) -> None:
        """Tell the text as it grows, then show what has become of it."""
        done = StreamingView(self, before).follow(stream)
        with self.lock:
            self._stream = None
            if stream.error is None or done.text:
                self._replace(PanelState(before, done))
            else:
                self.publish()
        if stream.error is not None:
            self.refuse(stream.error)

    def _several(self) -> tuple[Completion, ...]:
        """The continuations of one request, if there is more than one."""
        one = self._state.completion
        return self._state.continuations or ((one, *one.alternatives) if one is not None and one.alternatives else ())

    def _choose(self, state: PanelState, pieces: Sequence[Sequence[str]] | None) -> None:
        """Have another scene, which is not written now."""
        if self.busy:
            raise BadOption("A completion is being written.", "Stop it first.")
        if pieces is not None:
            self._merge(pieces)
        self._replace(state)

    def _replace(self, state: PanelState) -> None:
        """Have another scene, which can be undone."""
        with self.lock:
            self._past = [*self._past, self._state][-STEPS_BACK:]
            self._future.clear()
            self._state = state
            self.publish()
            self._output.replace(self._static())

    def _turn(self, here: list[PanelState], there: list[PanelState], pieces: Sequence[Sequence[str]]) -> None:
        with self.lock:
            if self.busy:
                return
            self._merge(pieces)
            if here:
                there.append(self._state)
                self._state = here.pop()
            self.publish()
            self._output.replace(self._static())

    def _sampling(self, one: Completion, fresh: bool = False) -> dict[str, Any]:
        """The settings that a continuation may change; a `fresh` one has another seed, unless one was given."""
        names = set(Sampling.__dataclass_fields__) - (set() if fresh else {"seed"})
        names -= {name for name in (one.request.beneath if one.request else ()) if name not in self._own_settings()}
        chosen = {name: value for name, value in self._settings.items() if name in names}
        return {**chosen, "inspect": is_measured(one.prompt)}

    def _own_settings(self) -> dict[str, Any]:
        """The settings that are not the session's own, which lie below those of a task."""
        config = self._session.config
        return {name: value for name, value in self._settings.items() if value != getattr(config, name)}

    def _same_model(self, one: Completion) -> bool:
        """Whether a continuation can be by the model, and in the form, that the page now asks for."""
        asked, wanted = one.request, of_panel(self._session.config, self._settings)
        if asked is None or asked.model != wanted["model"]:
            return False
        framing = [field.name for field in fields(Framing) if field.name in wanted]
        return all(getattr(asked.framing, name) == wanted[name] for name in framing)

    def _recent(self) -> list[dict[str, Any]]:
        """The newest completions first: a number of each, how they begin, and by what settings."""
        history = list(self._session.history)
        found = [one for one in history if one.request and one.request.mode == "continue"]
        return [history_entry(one, self._session.config) for one in reversed(found[-RECENT:])]


def panel(prompt: str = "") -> Panel:
    """The completion panel of this kernel, with `prompt` in it if one is given; displays itself in a notebook."""
    return open_panel(current(), prompt)


def open_panel(session: Session, prompt: str = "") -> Panel:
    """The session's panel, made on first use; with a `prompt` that is what stands in it."""
    opened = session.panel
    if not isinstance(opened, Panel) or opened.comm is None:
        session.panel = opened = Panel(session, prompt)
    elif prompt:
        opened.begin(prompt)
    return opened
