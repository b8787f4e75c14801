"""The completion panel: one text of the user's and the model's, and all that can be done with it, by the mouse.

The panel owns what stands in it now, what stood in it before, and the request that runs; models, settings and history
are the session's. A request is watched by a thread of its own, so that no call from a page ever waits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from traitlets import Dict

from ..notebook.as_code import as_code
from ..prompt.variables.fill import fill
from ..protocol.errors import BadOption
from ..protocol.request import Framing
from ..protocol.sampling import Sampling
from ..render import panel as panel_view
from ..results.completion import Completion
from ..session.session import Session, current
from ..session.stream import Stream
from .controls import CONTROLS, of_panel
from .panel_state import MODEL, YOU, PanelState, Piece, card, history_entry, is_measured, same_again
from .place import Place, joined, place, trimmed
from .streaming import StreamingView
from .tokens import candidates, sibling, token_columns
from .versions import Versions
from .view import View, module, sendable, styles

OWN = ("paper", "editor", "settings", "suggestion", "versions", "panel")
PARTS = ("common", "control_channel", "new_cell", "tokens", *OWN)  # of its module
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
        self._versions = Versions()
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
            state, config = self._state, self._session.config
            one = state.completion
            if not self.busy:
                self._versions.add(state)
            self.show(
                pieces=list(state.pieces),
                written=len(state.before) + 1 if one else None,
                suggested=state.suggested,
                replaced=state.replaced,
                versions=self._versions.listed(),
                total=len(one.prompt_ids) + len(one.tokens) if one and not (state.after or state.block) else None,
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

    def do_complete(
        self,
        pieces: Sequence[Sequence[str]],
        settings: dict[str, Any],
        chosen: Sequence[Sequence[str]] = (),
        after: Sequence[Sequence[str]] = (),
    ) -> None:
        """Go on behind `pieces`, of which the last are `chosen`, and before the pieces `after`: from the completion by
        its ids, where that ends there and nothing of the text was changed."""
        state = self._accept([*pieces, *after], settings)
        one, before = state.completion, own(pieces)
        goes_on = one is not None and not chosen and state.ends_at(before) and self._same_model(one)
        if one is not None and goes_on and one.end is None:
            self._run(self._session.more(one, **self._sampling(one)), replace(state.scene, suggested=False))
            return
        if one is not None and goes_on and state.block:
            raise BadOption("The model ended its answer here.", "Write on yourself, or Regenerate.")
        wanted = of_panel(self._session.config, self._settings)
        here = place(before, own(after), own(chosen), chat=wanted["chat"], task=wanted["task"])
        if here.block and not here.prompt.strip():
            raise BadOption("There is no question since the last answer.", "Write the next one under it.")
        self._begin(here, suggested=bool(chosen) and not here.block)

    def do_rewrite(
        self,
        pieces: Sequence[Sequence[str]],
        chosen: Sequence[Sequence[str]],
        after: Sequence[Sequence[str]],
        settings: dict[str, Any],
    ) -> None:
        """Suggest another wording of the `chosen` pieces, which stand behind `pieces` and before `after`."""
        self._accept([*pieces, *chosen, *after], settings)
        before, text, rest = trimmed(own(pieces), own(chosen), own(after))
        if not text:
            raise BadOption("There is no text to rewrite here.", "Select some, or put the caret into a paragraph.")
        options = {**self._own_settings(), "task": "rewrite", "chat": False, "num": 1}
        scene = PanelState(before, after=rest, block=True, replaced=text, suggested=True)
        self._run(self._session.stream(text, **options), scene)

    def do_accept(self, pieces: Sequence[Sequence[str]]) -> None:
        """Keep what was suggested as a part of the text."""
        state = self._merge(pieces)
        if not self.busy:
            self._state = state.accepted if state.suggested else state
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

    def do_regenerate(self, pieces: Sequence[Sequence[str]], settings: dict[str, Any]) -> None:
        """Another text in the place of the model's last one."""
        state = self._accept(pieces, settings)
        one = state.completion
        if one is None:
            raise BadOption("There is no completion to write anew: the text was changed.", "Complete it instead.")
        if not self._same_model(one) and state.replaced is None:
            wanted = of_panel(self._session.config, self._settings)
            self._begin(place(state.before, state.after, chat=wanted["chat"], task=wanted["task"]))
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
        self._run(self._session.branch(whose, at, **asked), state.scene)

    def do_branch(self, at: int, token: int, pieces: Sequence[Sequence[str]], settings: dict[str, Any]) -> None:
        """Go on from a place in the completion with another token; what was typed since is kept by Undo."""
        state = self._state
        one = state.completion
        if one is None:
            raise BadOption("There is no completion to branch from.", "Complete the text first.")
        self._accept(pieces, settings)
        self._run(self._session.branch(one, at, token, **self._sampling(one)), state.scene)

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
        typed = own(pieces)
        if joined(typed) != self._state.text:
            self._past.append(self._state)
            self._state = PanelState(typed)
        return self._state

    def _begin(self, here: Place, suggested: bool = False) -> None:
        """Complete a text anew; its variables are the kernel's, as in a cell."""
        settings = self._own_settings()
        raw = settings.get("raw", False)
        text = (here.prompt,) if raw else fill(here.prompt, self._session.namespace)
        options = {**settings, "raw": raw, "suffix": here.suffix}
        options["inspect"] = not here.suffix and is_measured(here.prompt)
        stream = self._session.stream(text, source=here.prompt, turns=here.turns, **options)
        self._run(stream, PanelState(here.before, after=here.after, block=here.block, suggested=suggested))

    def _run(self, stream: Stream, scene: PanelState) -> None:
        with self.lock:
            self._stream = stream
        self.tell("begun")
        self._thread = threading.Thread(
            target=self._watch, args=(stream, scene), daemon=True, name="jupyter_complete panel"
        )
        self._thread.start()

    def _watch(self, stream: Stream, scene: PanelState) -> None:
        """Tell the text as it grows, then show what has become of it."""
        done = StreamingView(self, scene.before, scene.after).follow(stream)
        with self.lock:
            self._stream = None
            if stream.error is None or done.text:
                self._replace(replace(scene, completion=done))
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
        framing = [field.name for field in fields(Framing) if field.name in wanted and field.name != "raw"]
        return all(getattr(asked.framing, name) == wanted[name] for name in framing)

    def _recent(self) -> list[dict[str, Any]]:
        """The newest completions first: a number of each, how they begin, and by what settings."""
        history = list(self._session.history)
        found = [one for one in history if one.request and one.request.mode == "continue"]
        return [history_entry(one, self._session.config) for one in reversed(found[-RECENT:])]


def own(pieces: Sequence[Sequence[str]]) -> tuple[Piece, ...]:
    """Pieces as a page sends them."""
    return tuple((YOU if who == YOU else MODEL, sendable(text)) for who, text in pieces if text)


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
