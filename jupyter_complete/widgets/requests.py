"""What a panel asks of the model, by the settings of its page: to go on, to write anew, to branch, to rewrite.

A request is watched by a thread of its own, so that no call from a page ever waits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from ..prompt.variables.fill import fill
from ..protocol.errors import BadOption
from ..protocol.request import Framing
from ..protocol.sampling import Sampling
from ..results.completion import Completion
from ..session.session import Session
from ..session.stream import Stream
from .controls import of_panel
from .document import typed
from .panel_state import PanelState, is_measured, same_again
from .place import Place, place, trimmed
from .streaming import StreamingView
from .view import View

LEAST = 60  # tokens that another wording may have, however short the text

Pieces = Sequence[Sequence[str]]


class Requests(View):
    """A view of a text that a model writes in. Its subclass owns the text: `_merge` and `_replace` change it."""

    _session: Session
    _state: PanelState
    _settings: dict[str, Any]
    _stream: Stream | None = None
    _thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._stream is not None

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until no request runs, and what has become of it is shown."""
        if self._thread is not None:
            self._thread.join(timeout)

    def do_complete(
        self,
        pieces: Pieces,
        settings: dict[str, Any],
        chosen: Pieces = (),
        after: Pieces = (),
    ) -> None:
        """Go on behind `pieces`, of which the last are `chosen`, and before the pieces `after`: from the completion by
        its ids, where that ends there and nothing of the text was changed."""
        state = self._accept([*pieces, *after], settings)
        one, before = state.completion, typed(pieces)
        goes_on = one is not None and not chosen and state.ends_at(before) and self._same_model(one)
        if one is not None and goes_on and one.end is None:
            self._run(self._session.more(one, **self._sampling(one)), replace(state.scene, suggested=False))
            return
        if one is not None and goes_on and state.block:
            raise BadOption("The model ended its answer here.", "Write on yourself, or Regenerate.")
        wanted = of_panel(self._session.config, self._settings)
        here = place(before, typed(after), typed(chosen), chat=wanted["chat"], task=wanted["task"])
        if here.block and not here.prompt.strip():
            raise BadOption("There is no question since the last answer.", "Write the next one under it.")
        self._begin(here, suggested=bool(chosen) and not here.block)

    def do_rewrite(
        self,
        pieces: Pieces,
        chosen: Pieces,
        after: Pieces,
        settings: dict[str, Any],
    ) -> None:
        """Suggest another wording of the `chosen` pieces, which stand behind `pieces` and before `after`."""
        self._accept([*pieces, *chosen, *after], settings)
        before, text, rest = trimmed(typed(pieces), typed(chosen), typed(after))
        if not text:
            raise BadOption("There is no text to rewrite here.", "Select some, or put the caret into a paragraph.")
        options = {**self._own_settings(), "task": "rewrite", "chat": False, "num": 1}
        options["max_new_tokens"] = LEAST + len(text) // 2  # about twice the text: a part of it alone is of no use
        scene = PanelState(before, after=rest, block=True, replaced=text, suggested=True)
        self._run(self._session.stream(text, **options), scene)

    def do_regenerate(self, pieces: Pieces, settings: dict[str, Any]) -> None:
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

    def do_branch(self, at: int, token: int, pieces: Pieces, settings: dict[str, Any]) -> None:
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

    def _merge(self, pieces: Pieces) -> PanelState:
        """What stands in the panel, with what was typed into it since."""
        raise NotImplementedError

    def _replace(self, state: PanelState) -> None:
        """Have another scene, which can be undone."""
        raise NotImplementedError

    def _accept(self, pieces: Pieces, settings: dict[str, Any]) -> PanelState:
        """The text as a page has it, and the settings it has; refused while a request runs."""
        if self.busy:
            raise BadOption("A completion is being written.", "Stop it first.")
        self._settings = {name: value for name, value in settings.items() if value is not None}
        state = self._merge(pieces)
        self._session.config.checked(self._settings)
        return state

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
