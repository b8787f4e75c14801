"""A completion opened up: its trace, and the model asked about the inside of its passes while it is resident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, TypeVar, cast

from ..protocol.distribution import Distribution
from ..protocol.doors import door
from ..protocol.errors import BadOption
from ..protocol.question import AttentionKind, Finding, InputIds, Question
from ..protocol.questions.added import Added, AskAdded
from ..protocol.questions.attention import AskAttention, Attention, AttentionRow, Heads
from ..protocol.questions.change import AskChange, WordChange
from ..protocol.questions.embedding import AskEmbedding, Embedding
from ..protocol.questions.futures import AskFutures, Futures
from ..protocol.questions.head_steps import AskHead, HeadSteps
from ..protocol.questions.lens import AskLens, Lens
from ..protocol.questions.occlusion import AskOcclusion, Occlusion
from ..protocol.questions.path import AskPath, TokenPath
from ..protocol.questions.state import AskState, LastState
from ..protocol.views import Displayed, draw, in_kernel
from ..results.completion import Completion
from ..results.trace import Trace
from .known_answers import known_answer
from .quiz import Guess, Score
from .session import Session
from .stream import stopping_on_interrupt

F = TypeVar("F", bound=Finding)
VECTORS = 40  # tokens of the prompt whose vectors are drawn
COLUMNS = 8  # positions of the lens that are drawn
KEPT = 200  # answers that are kept, the oldest going first


class Inside(Displayed):
    """One completion with everything that can be asked about it; it displays itself in a notebook.

    `trace` needs no model. What is asked of the model is answered once, by one pass over prompt and completion in the
    model's own thread, and kept: `save` writes it beside the trace, and a file opened elsewhere answers the same.
    A `position` is a place among `tokens`, from the end where it is negative; a `layer` and a `head` count from 0.
    """

    def __init__(self, trace: Trace, session: Session | None = None, completion: Completion | None = None) -> None:
        """Without a session, only what the trace knows already is answered."""
        self.trace, self.completion = trace, completion
        self.session = session
        self._found: dict[Question[Any], Finding] = dict(trace.found)
        self.score = Score()

    @property
    def text(self) -> InputIds:
        """The ids that are looked at: prompt and completion; of an encoder-decoder its text, and the source."""
        ids = (*self.trace.before, *self.trace.ids.tolist())
        return InputIds(ids, self.trace.prompt_ids if self.trace.encodes else ())

    @property
    def tokens(self) -> tuple[str, ...]:
        """The texts of the tokens looked at, each by itself."""
        return tuple(self.trace.pieces.text(id) for id in self.text.ids)

    def distribution(self, step: int, **knobs: Any) -> Distribution:
        """What a step chose from; see Trace.distribution."""
        return self.trace.distribution(step, **knobs)

    def ask(self, question: Question[F]) -> F:
        """Return the answer to any question of protocol/questions/. The model is asked if the answer is not known.

        Raises BadOption, or an error of the model's.
        """
        found = known_answer(self._found, question)
        if found is None:
            found = cast(F, self._answered(question))
            while len(self._found) >= KEPT:
                del self._found[next(iter(self._found))]
            self._found[question] = found
        return found

    def attention(self, layer: int = -1, part: AttentionKind = "decoder") -> Attention:
        """All heads of one layer: who looks at whom. `part` is "encoder" or "cross" of an encoder-decoder's others."""
        return self.ask(AskAttention(self.text, layer, part))

    def attention_row(
        self,
        position: int = -1,
        layer: int = -1,
        head: Heads = "mean",
        hide_first: bool = False,
        part: AttentionKind = "decoder",
    ) -> AttentionRow:
        """What one position takes from those before it: of one head, or the mean or largest of all. The row that chose
        a token is that of the position before it."""
        return self.attention(layer, part).row(position, head, hide_first)

    def head_steps(self, layer: int, head: int, part: AttentionKind = "decoder") -> HeadSteps:
        """One head from queries and keys to its output, every matrix on the way."""
        return self.ask(AskHead(self.text, layer, head, part))

    def lens(self, top: int = 5, begin: int = 0, end: int | None = None) -> Lens:
        """The likeliest next tokens after every layer, at every position from `begin` on, up to `end` if given."""
        return self.ask(AskLens(self.text, top, begin, end))

    def added(self) -> Added:
        """How much attention and MLP of every layer add to the vector of each position."""
        return self.ask(AskAdded(self.text))

    def path(self, tokens: str | int | Sequence[str | int], position: int = -1) -> TokenPath:
        """Rank and probability of one or several tokens through the layers, as what follows `position`."""
        several = [tokens] if isinstance(tokens, (str, int)) else list(tokens)
        return self.ask(AskPath(self.text, tuple(map(self._id, several)), position))

    def embedding(self, ids: Sequence[int] | None = None) -> Embedding:
        """The vectors that tokens begin as; without `ids`, those of the text."""
        return self.ask(AskEmbedding(tuple(self.text.ids if ids is None else ids)))

    def state(self, tokens: str | int | Sequence[str | int], position: int = -1) -> LastState:
        """h_i, which the head reads at `position`, and rows of W for some tokens: P(w_i | w_<i) = softmax(W h_i)."""
        several = [tokens] if isinstance(tokens, (str, int)) else list(tokens)
        return self.ask(AskState(self.text, position, tuple(map(self._id, several))))

    def occlusion(self, position: int, targets: Sequence[int] | None = None) -> Occlusion:
        """How much less, or more, likely tokens are where none may look at `position` (of the source, where there is
        an encoder); without `targets`, the tokens of the completion."""
        begin = len(self.trace.before)
        places = range(begin, len(self.text.ids)) if targets is None else targets
        if not self.trace.encodes and targets is None:
            hidden = position % len(self.text.ids) if position < 0 else position
            places = [place for place in places if place > hidden]
        return self.ask(AskOcclusion(self.text, position, tuple(places)))

    def futures(self, step: int = 0, depth: int = 4, cutoff: float = 0.01, most: int = 24) -> Futures:
        """What might have come after the first `step` tokens: all that is at least `cutoff` likely together."""
        if depth < 1 or most < 1 or not 0.0 <= cutoff <= 1.0:
            raise BadOption("A tree of futures needs a depth and a width of 1 at least.", "And a cutoff from 0 to 1.")
        return self.ask(AskFutures(self._until(step), depth, cutoff, most))

    def change(self, position: int, token: str | int, step: int = 0, top: int = 8) -> WordChange:
        """What the first `step` tokens are followed by, as it was and with another token at `position`: a model that
        looked at the last word alone would not notice."""
        return self.ask(AskChange(self._until(step), position, self._id(token), top))

    def guess(self, step: int, token: str | int) -> Guess:
        """Somebody's guess of what was taken at a step, compared with it, and kept in `score`. Raises BadOption."""
        id = self._id(token)
        rank, prob = self.trace.weight(step, id)
        right = id == int(self.trace.ids[step])
        begin, place = 0 if self.trace.encodes else len(self.trace.prompt_ids), step % len(self.trace)
        after = "".join(self.tokens[begin : len(self.trace.before) + place])
        made = Guess(place, self.trace.pieces.text(id), rank, prob, right, after)
        self.score.add(made)
        return made

    def known(self) -> Trace:
        """The trace with all that was found so far."""
        return replace(self.trace, found=dict(self._found))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the trace and all that was found so far into one file; `jc.inside(jc.open_trace(path))` goes on from
        it, without the model as far as that was asked already."""
        self.known().save(path)

    def view(self, steps: Sequence[int] = (0,), model: bool = True) -> Any:
        """The stations of the completion, static, with the distributions of some `steps`; of the model's inside what
        chose the last token, unless `model` is False."""
        if not model:
            return self.trace.view(steps)
        begin = max(0, len(self.text.ids) - COLUMNS)
        wanted: dict[str, Callable[[], Any]] = {
            "Attention": lambda: self.attention_row(-2, hide_first=True),
            "Layer lens": lambda: self.lens(begin=begin),
            "One earlier word changed": self._earlier_word,
            "What might come next": self.futures,
        }
        if not self._earlier:
            del wanted["One earlier word changed"]
        found = [(title, _answer(ask)) for title, ask in wanted.items()]
        return draw(self.trace, steps=steps, vectors=self._vectors(), found=found)

    @property
    def _earlier(self) -> int:
        """A place in the middle of the prompt, and before the last one; 0 where there is none."""
        return (len(self.trace.prompt_ids) - 1) // 2

    def _earlier_word(self) -> WordChange:
        """What another word in the middle of the prompt would have changed: of a decoder the likeliest other one there,
        of an encoder's text the likeliest beginning of the completion."""
        place, ids = self._earlier, self.trace.prompt_ids
        guesses = self.trace.row(0).head if self.trace.encodes else self.lens(5, place - 1, place).ids[-1, 0]
        others = [id for id in guesses.tolist() if id != ids[place] and id not in self.trace.pieces.special]
        return self.change(place, others[0])

    def _vectors(self) -> Embedding | None:
        """What the prompt's first tokens begin as, if that can be known here."""
        try:
            return self.embedding(self.trace.prompt_ids[:VECTORS])
        except BadOption:
            return None

    def quiz(self) -> None:
        """Display the panel for a quiz: the completion is closed, and opens token by token as it is guessed."""
        if not in_kernel():
            raise BadOption("A quiz is held in a notebook.", "Use guess(step, token) elsewhere.")
        door("inside panel")(self, "quiz")

    def __repr__(self) -> str:
        return f"<Inside {self.trace!r}>"

    def _ipython_display_(self) -> None:
        """The panel in a notebook; elsewhere the static view, which is what IPython takes this error for."""
        if not in_kernel():
            raise NotImplementedError
        door("inside panel")(self)

    def _until(self, step: int) -> InputIds:
        """The text before one of the completion's steps."""
        if not isinstance(step, int) or not 0 <= step <= len(self.trace):
            raise BadOption(f"There is no step {step!r}.", f"Give 0 to {len(self.trace)}.")
        return replace(self.text, ids=self.text.ids[: len(self.trace.before) + step])

    def _id(self, token: str | int) -> int:
        if isinstance(token, str):
            return self.trace.pieces.find(token)
        if not 0 <= token < self.trace.size:
            raise BadOption(f"The model has no token {token:,}.", f"Give an id from 0 to {self.trace.size - 1:,}.")
        return int(token)

    def _answered(self, question: Question[Any]) -> Finding:
        told, asked = self.trace.model, self.completion.request if self.completion else None
        name = asked.model if asked else told.name
        here = self.session.models.get(name) if self.session else None
        if self.session is None or (asked is None and (here is None or here.engine is None)):  # a file loads nothing
            raise BadOption(
                "This was not looked at before the trace was saved.",
                f'Load its model, jc.load("{name}"), and ask again.',
            )
        models = self.session.models
        resident = models.resident(name, self.session.config.dtype, self.session.config.device)
        engine = resident.engine
        if engine is not None and engine.info.revision != told.revision:
            raise BadOption(
                f"The trace was recorded with other weights than those of {told.name} here.", "Complete the text anew."
            )
        stream = models.examine(resident, question)
        with stopping_on_interrupt(stream) as interrupts:
            stream.wait()
        found = stream.draft.finish.found if stream.draft.finish else None
        if interrupts or found is None:
            raise KeyboardInterrupt
        return found


def _answer(ask: Callable[[], Any]) -> Any:
    """A finding, or the sentence why this model has none."""
    try:
        return ask()
    except BadOption as error:
        return str(error)


def of(completion: Completion, session: Session) -> Inside:
    """A completion opened up; raises BadOption where it has no trace."""
    if completion.trace is None:
        raise BadOption("This completion has no trace.", "Complete with trace=True (--trace).")
    return Inside(completion.trace, session, completion)
