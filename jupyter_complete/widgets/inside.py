"""The inside panel: a completion's stations, for a class, with the numbers of its trace and of the resident model.

Replays are computed here and not in the page, for a draw falls on the cumulative distribution in the order of ids,
which only the whole row of logits knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from traitlets import Dict, Enum, Unicode

from ..notebook.new_cell import has_reader
from ..protocol.errors import BadOption
from ..render import panel
from ..render.blocks import InsideView, said
from ..results.branches import forks, sibling_on_path, siblings
from ..results.trace import KNOBS
from ..session.inside import Inside, of
from ..session.stream import Stream
from . import inside_data
from .controls import CONTROLS
from .inside_view import InsideWidget, page_tokens
from .latest_only import LatestOnly
from .rerun import close_at_rerun
from .tokens import sibling
from .transformer import Transformer
from .view import module, styles

PARTS = ("common", "control_channel", "alive", "notebook", "drawing", "sampling", "player", "inside")
VECTORS = 400  # tokens whose vectors are drawn
FOLLOWED = 24  # tokens of the text that would follow under other settings
STORED = 24  # steps whose distributions a page has without asking, and keeps when the kernel is gone
KEEPING = "The copy that stays with the notebook is being made. It asks the model, which takes some seconds."
CLOSED = (
    "The tokens that the model picked are hidden here while the class chooses or guesses. They follow when the panel's "
    "mode is “watch”. view() shows them at any time."
)

Mode: TypeAlias = Literal["watch", "choose", "quiz"]


class InsidePanel(InsideWidget):
    """One panel. `inside` is what it shows; a branch that the class chooses takes its place."""

    said = "The inside panel, which a notebook with a kernel shows here; what it shows follows."

    _esm = module(*PARTS)
    _css = styles("common", "inside")
    controls = Dict().tag(sync=True)
    transformer = Unicode().tag(sync=True)  # the id of the widget that is that station
    stored = Dict().tag(sync=True)  # the first steps as recorded: {"taken": ids, "steps": distributions}
    mode = Enum(get_args(Mode), "watch").tag(sync=True)  # of pages that are opened

    def __init__(self, inside: Inside, mode: Mode = "watch") -> None:
        self.station = Transformer(inside)
        self._computations = LatestOnly("jupyter_complete replays")
        self._keeping = LatestOnly("jupyter_complete static view")
        self._preview: Stream | None = None
        self._full_output: dict[str, str] | None = None  # the static view, once the model was asked for its part of it
        controls = [one for one in CONTROLS if one["name"] in KNOBS]
        super().__init__(inside, controls={"controls": controls}, transformer=self.station.model_id or "", mode=mode)
        self._prepare()

    def close(self) -> None:
        if self._preview is not None:
            self._preview.stop()
        self._computations.drop()
        self._keeping.drop()
        self.station.close()
        super().close()

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until everything that was asked is answered."""
        self._computations.wait(timeout)
        self._keeping.wait(timeout)
        super().wait(timeout)

    def publish(self) -> None:
        trace, inside = self.inside.trace, self.inside
        ids = {*trace.prompt_ids, *trace.before, *trace.ids.tolist()}
        self.show(
            **page_tokens(inside),
            prompt=trace.prompt,
            special=sorted(ids & trace.pieces.special),
            knobs={name: getattr(trace.sampling, name) for name in KNOBS},
            footer=trace.caption(),
            forks=_forks(inside),
            score=str(inside.score),
            chooses=inside.can_continue,
        )

    def see(self, inside: Inside) -> None:
        inside.score = self.inside.score
        self._full_output = None
        self.station.see(inside)
        super().see(inside)
        self._prepare()
        self._output.replace(self._static_output(model=False))  # the model is for the class's questions now

    def _prepare(self) -> None:
        """Compute what a page asks first, and what it keeps of this completion."""
        self._computations.do("store", partial(self._store, self.inside))
        self._computations.do("prepare", self.inside.trace.prepare)

    def _store(self, inside: Inside) -> None:
        steps = [inside_data.distribution(inside.distribution(step)) for step in range(min(STORED, len(inside.trace)))]
        if inside is self.inside:
            self.stored = {"taken": inside.trace.ids.tolist(), "steps": steps}

    def do_weigh(self, step: int, knobs: Mapping[str, Any]) -> None:
        """What a step chooses from under other settings."""
        self._compute(
            "weigh",
            {"step": step, "knobs": knobs},
            lambda one: inside_data.distribution(one.distribution(step, **knobs)),
        )

    def do_replay(self, knobs: Mapping[str, Any]) -> None:
        """What every step would pick under other settings."""
        self._compute("replay", {"knobs": knobs}, lambda one: {"picks": _picks(one, knobs)})

    def do_follow(self, knobs: Mapping[str, Any]) -> None:
        """What the model would have written under other settings, with the same seed."""
        if self._preview is not None:
            self._preview.stop()
        self.look("follow", {"knobs": knobs}, lambda one: {"follows": self._follow(one, knobs)})

    def _follow(self, inside: Inside, knobs: Mapping[str, Any]) -> str:
        done, session, at = inside.completion, inside.session, inside.trace.first
        if done is None or session is None:
            raise BadOption(
                "The text that would follow needs the model.", "Complete the prompt with it: jc.inside(prompt)."
            )
        self._preview = stream = session.preview(done, at, max_new_tokens=FOLLOWED, **knobs)
        followed = stream.completion()
        if stream.error is not None:
            raise stream.error
        return "".join(step.text for step in followed.tokens[at:])

    def do_embedding(self) -> None:
        """The vectors that the tokens of the prompt begin as."""
        ids = self.inside.trace.prompt_ids[:VECTORS]
        self.look("embedding", {}, lambda inside: inside_data.embedding(inside.embedding(ids)))

    def do_mode(self, mode: Mode) -> None:
        """A page watches, chooses or guesses; what stays in the notebook tells no more than it does."""
        if mode in get_args(Mode) and mode != self.mode:
            self.mode = mode
            self._computations.do("mode", lambda: self._output.replace(self._static_output(model=False)))

    def do_guess(self, step: int, token: int | str) -> None:
        """A guess of the quiz."""
        made = self.inside.guess(step, token)
        self.publish()
        self.tell("guessed", step=step, rank=made.rank, prob=made.prob, right=made.right)

    def do_choose(self, step: int, token: int | str) -> None:
        """Go on from a step with a token that the class chose; the other text stays, as a branch."""
        self._questions.do("choose", partial(self._choose, self.inside, step, token))

    def do_sibling(self, at: int, step: int) -> None:
        """Show the next branch at a fork, or the one before."""
        self._questions.do("choose", partial(self._turn, self.inside, at, step))

    def _compute(self, kind: str, asked: Mapping[str, Any], find: Callable[[Inside], Mapping[str, Any]]) -> None:
        """What needs no model does not wait for one."""
        self._computations.do(kind, partial(self.answer, self.inside, kind, asked, find))

    def _choose(self, inside: Inside, step: int, token: int | str) -> None:
        try:
            done, session = inside.completion, inside.session
            if done is None or session is None:
                raise BadOption(
                    "A trace from a file cannot be continued.", "Complete its prompt with the model: jc.inside(prompt)."
                )
            id = inside.meant(step, token)
            rank, prob = inside.trace.weight(step, id)
            branch = session.branch(done, inside.trace.first + step, id).result()
            self.see(of(branch, session))
            self.tell("chosen", step=step, rank=rank, prob=prob)
        except (Exception, KeyboardInterrupt) as error:  # said in the page, for this thread has no cell
            self.refuse(error)

    def _turn(self, inside: Inside, at: int, step: int) -> None:
        if inside.completion is not None and inside.session is not None:
            self.see(of(sibling(inside.completion, at, step), inside.session))

    def _ipython_display_(self) -> None:
        close_at_rerun(self.close)
        super()._ipython_display_()
        self._keeping.do(
            "keep", partial(self._keep, self.inside)
        )  # seconds of the model's, in which the cell has ended

    def _keep(self, inside: Inside) -> None:
        """Put what the model says of the passes into the static output, unless a class has begun to ask."""
        self.tell("keeping", text=KEEPING)
        try:
            made = self._static_output(model=True)
            if inside is self.inside and self.mode == "watch":
                self._output.replace(made)
        finally:
            self.tell("keeping", text="")

    def _static(self) -> dict[str, str]:
        return self._static_output(model=False)

    def _static_output(self, model: bool) -> dict[str, str]:
        if self.mode != "watch":
            return _closed(self.inside)
        if self._full_output is not None:
            return self._full_output
        made = dict(panel.bundle(self.inside.trace.prompt, self.inside.view(model=model).bundle()))
        if model:
            self._full_output = made
        return made


def show(inside: Inside, mode: Mode = "watch") -> None:
    """Display a completion's inside under the cell that runs: the panel where somebody can click, and what stays."""
    from IPython import get_ipython
    from IPython.display import display

    if has_reader(get_ipython()):
        InsidePanel(inside, mode)._ipython_display_()
    else:
        display(dict(inside.view().bundle()) if mode == "watch" else _closed(inside), raw=True)


def _closed(inside: Inside) -> dict[str, str]:
    """What stays of a panel that hides what was taken: how the prompt became tokens."""
    trace = inside.trace
    (first, *_) = trace.view(()).blocks
    view = InsideView([first, said("What the model picked", [CLOSED])], "")
    return dict(panel.bundle(trace.prompt, view.bundle()))


def _picks(inside: Inside, knobs: Mapping[str, Any]) -> list[list[Any]]:
    """Text and id of what every step would pick."""
    return [[inside.trace.pieces.text(id), id] for id in inside.trace.replay(**knobs).tolist()]


def _forks(inside: Inside) -> list[list[int]]:
    """Of each fork that the trace reaches: the step, the place in the completion, which branch, of how many."""
    one, first = inside.completion, inside.trace.first
    if one is None:
        return []
    found = []
    for at in forks(one):
        among = siblings(one, at)
        if at >= first and all(each.trace is not None for each in among):
            found.append([at - first, at, among.index(sibling_on_path(one, at)) + 1, len(among)])
    return found
