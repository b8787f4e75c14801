"""The inside of a completion: its trace, and questions to the resident model about its passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from typing import Any, TypeVar, cast

import numpy as np

from ..protocol.distribution import Distribution
from ..protocol.doors import door
from ..protocol.errors import BadOption, Stopped
from ..protocol.front_end import in_notebook
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
from ..protocol.views import Displayed, draw
from ..results.completion import Completion
from ..results.trace import Trace
from .known_answers import known_answer
from .quiz import Guess, Score
from .session import Session
from .stream import stop_on_interrupt

F = TypeVar("F", bound=Finding)
VECTORS = 40  # tokens of the prompt whose vectors are drawn
COLUMNS = 8  # positions of the lens that are drawn
KEPT = 200  # answers that are kept, the oldest going first


class Inside(Displayed):
    """One completion and everything that can be asked about it. It displays itself in a notebook.

    `trace` needs no model. The model answers a question once, by one pass over prompt and completion in its own thread.
    The answer is kept, and `save` writes it beside the trace, so that a file opened elsewhere answers the same.
    A `position` is a place among `tokens`; a negative one counts from the end. A `layer` and a `head` count from 0.
    Of a hybrid, a negative layer that has no attention means the nearest one before it that has.
    """

    def __init__(self, trace: Trace, session: Session | None = None, completion: Completion | None = None) -> None:
        """Without a `session`, only questions whose answers are in the trace are answered."""
        self.trace, self.completion = trace, completion
        self.session = session
        self._found: dict[Question[Any], Finding] = dict(trace.found)
        self.score = Score()

    @property
    def text(self) -> InputIds:
        """The ids of prompt and completion; of an encoder-decoder, those of its text and those of the source."""
        ids = (*self.trace.before, *self.trace.ids.tolist())
        return InputIds(ids, self.trace.prompt_ids if self.trace.encodes else ())

    @property
    def tokens(self) -> tuple[str, ...]:
        """The text of each token of `text`."""
        return tuple(self.trace.pieces.text(id) for id in self.text.ids)

    def distribution(self, step: int, **knobs: Any) -> Distribution:
        """Return what a step chose from; see Trace.distribution."""
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
        """Return the attention of all heads of one layer. Of an encoder-decoder `part` may be "encoder" or "cross"."""
        return self.ask(AskAttention(self.text, layer, part))

    def attention_row(
        self,
        position: int = -1,
        layer: int = -1,
        head: Heads = "mean",
        hide_first: bool = False,
        part: AttentionKind = "decoder",
    ) -> AttentionRow:
        """Return the attention of one position: of one head, or the mean or the largest over heads.

        The row that chose a token is the one of the position before the token.
        """
        return self.attention(layer, part).row(position, head, hide_first)

    def head_steps(self, layer: int, head: int, part: AttentionKind = "decoder") -> HeadSteps:
        """Return every matrix of one head, from queries and keys to its output."""
        return self.ask(AskHead(self.text, layer, head, part))

    def lens(self, top: int = 5, begin: int = 0, end: int | None = None) -> Lens:
        """Return the `top` likeliest next tokens after every layer, at the positions from `begin` to before `end`."""
        if not isinstance(top, int) or top < 1:
            raise BadOption(f"The lens shows at least one token a layer, and top is {top!r}.", "Give 1 or more.")
        return self.ask(AskLens(self.text, top, begin, end))

    def added(self) -> Added:
        """Return how much attention and MLP of every layer add to the vector of each position."""
        return self.ask(AskAdded(self.text))

    def path(self, tokens: str | int | Sequence[str | int], position: int = -1) -> TokenPath:
        """Return rank and probability of one or several tokens after each layer, as what follows `position`."""
        several = [tokens] if isinstance(tokens, (str, int, np.integer)) else list(tokens)
        return self.ask(AskPath(self.text, tuple(map(self._id, several)), position))

    def embedding(self, ids: Sequence[int] | None = None) -> Embedding:
        """Return the vectors that tokens begin as; without `ids`, those of the text."""
        return self.ask(AskEmbedding(tuple(self.text.ids if ids is None else ids)))

    def state(self, tokens: str | int | Sequence[str | int], position: int = -1) -> LastState:
        """Return h_i, which the head reads at `position`, and rows of W for some tokens: P = softmax(W h_i)."""
        several = [tokens] if isinstance(tokens, (str, int, np.integer)) else list(tokens)
        return self.ask(AskState(self.text, position, tuple(map(self._id, several))))

    def occlusion(self, position: int, targets: Sequence[int] | None = None) -> Occlusion:
        """Return how much less, or more, likely tokens become if no token may look at `position`.

        The position is one of the source if there is an encoder. Without `targets`, the tokens are the completion's.
        """
        begin = len(self.trace.before)
        places = range(begin, len(self.text.ids)) if targets is None else targets
        if not self.trace.encodes and targets is None:
            hidden = position % len(self.text.ids) if position < 0 else position
            places = [place for place in places if place > hidden]
        return self.ask(AskOcclusion(self.text, position, tuple(places)))

    def futures(self, step: int = 0, depth: int = 4, cutoff: float = 0.01, most: int = 24) -> Futures:
        """Return what might have come after the first `step` tokens: every text that is at least `cutoff` likely."""
        if depth < 1 or most < 1 or not 0.0 <= cutoff <= 1.0:
            raise BadOption("A tree of futures needs a depth and a width of 1 at least.", "And a cutoff from 0 to 1.")
        return self.ask(AskFutures(self._until(step), depth, cutoff, most))

    def change(self, position: int, token: str | int, step: int = 0, top: int = 8) -> WordChange:
        """Return what follows the first `step` tokens, as they were and with another token at `position`.

        The two would be equal for a model that looks at the last word alone.
        """
        return self.ask(AskChange(self._until(step), position, self._id(token), top))

    def guess(self, step: int, token: str | int) -> Guess:
        """Compare a guess of the token of a step with that token, and keep it in `score`. Raises BadOption.

        A word without the blank before it counts as the token with the blank if the model finds that one likelier.
        """
        id = self.meant(step, token)
        rank, prob = self.trace.weight(step, id)
        right = id == int(self.trace.ids[step])
        begin, place = 0 if self.trace.encodes else len(self.trace.prompt_ids), step % len(self.trace)
        after = "".join(self.tokens[begin : len(self.trace.before) + place])
        made = Guess(place, self.trace.pieces.text(id), rank, prob, right, after)
        self.score.add(made)
        return made

    @property
    def can_continue(self) -> bool:
        """Whether the model can go on from here: not from a trace that was read from a file."""
        return self.completion is not None and self.session is not None

    @property
    def can_ask(self) -> bool:
        """Whether the model can be asked what is not known yet."""
        if self.session is None or self.completion is not None:
            return self.session is not None
        here = self.session.models.get(self.trace.model.name)
        return here is not None and here.engine is not None

    def found(self, kind: type[F]) -> list[F]:
        """Return the answers of one kind so far."""
        return [one for one in self._found.values() if isinstance(one, kind)]

    def known(self) -> Trace:
        """Return the trace with all answers so far."""
        return replace(self.trace, found=dict(self._found))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the trace and all answers so far into one file.

        `jc.inside(jc.open_trace(path))` gives these answers again without the model.
        """
        self.known().save(path)

    def view(self, steps: Sequence[int] = (0,), model: bool = True) -> Any:
        """Return the stations of the completion as a static view, with the distributions of some `steps`.

        The model is asked what chose the last token, unless `model` is False.
        """
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
        """A place in the middle of the prompt and before its last token; 0 if there is none."""
        return (len(self.trace.prompt_ids) - 1) // 2

    def _earlier_word(self) -> WordChange:
        """Return what another word in the middle of the prompt would have changed.

        The other word is the likeliest one there; for an encoder's text, the likeliest first word of the completion.
        """
        place, ids = self._earlier, self.trace.prompt_ids
        guesses = self.trace.row(0).head if self.trace.encodes else self.lens(5, place - 1, place).ids[-1, 0]
        others = [id for id in guesses.tolist() if id != ids[place] and id not in self.trace.pieces.special]
        return self.change(place, others[0])

    def _vectors(self) -> Embedding | None:
        """Return the vectors of the prompt's first tokens, or None if the model cannot be asked."""
        try:
            return self.embedding(self.trace.prompt_ids[:VECTORS])
        except BadOption:
            return None

    def quiz(self) -> None:
        """Display the panel for a quiz: it hides the completion, and shows each token once it is guessed."""
        if not in_notebook():
            raise BadOption("A quiz is held in a notebook.", "Use guess(step, token) elsewhere.")
        door("inside panel")(self, "quiz")

    def __repr__(self) -> str:
        return f"<Inside {self.trace!r}>"

    def _ipython_display_(self) -> None:
        """Display the panel in a notebook. Elsewhere IPython reads this error as a wish for the static view."""
        if not in_notebook():
            raise NotImplementedError
        door("inside panel")(self)

    def _until(self, step: int) -> InputIds:
        """Return the text before one of the completion's steps. Raises BadOption."""
        if not isinstance(step, int) or not 0 <= step <= len(self.trace):
            raise BadOption(f"There is no step {step!r}.", f"Give 0 to {len(self.trace)}.")
        return replace(self.text, ids=self.text.ids[: len(self.trace.before) + step])

    def meant(self, step: int, token: str | int) -> int:
        """Return the id of a token that a person typed: of a word and the word with a blank before it, the likelier.

        Raises BadOption.
        """
        if not isinstance(token, str) or token.startswith(" "):
            return self._id(token)
        meant = []
        for text in (token, f" {token}"):
            with suppress(BadOption):
                meant.append(self.trace.pieces.find(text))
        return min(meant, key=lambda id: self.trace.weight(step, id)[0]) if meant else self._id(token)

    def _id(self, token: str | int) -> int:
        if isinstance(token, str):
            return self.trace.pieces.find(token)
        if not isinstance(token, (int, np.integer)):
            raise BadOption(f"{token!r} is not a token.", "Give the token's text or its id.")
        if not 0 <= token < self.trace.size:
            raise BadOption(f"The model has no token {token:,}.", f"Give an id from 0 to {self.trace.size - 1:,}.")
        return int(token)

    def _answered(self, question: Question[Any]) -> Finding:
        told, asked = self.trace.model, self.completion.request if self.completion else None
        name = asked.model if asked else told.name
        if self.session is None or not self.can_ask:  # a file loads nothing
            raise BadOption(
                "The saved trace does not hold this answer.", f'Load its model with jc.load("{name}") and ask again.'
            )
        models = self.session.models
        resident = models.resident(name, *self.session.config.loading())
        engine = resident.engine
        if engine is not None and engine.info.revision != told.revision:
            raise BadOption(
                f"The trace was recorded with other weights than those of {told.name} here.", "Complete the text anew."
            )
        stream = models.examine(resident, question)
        with stop_on_interrupt(stream):
            if self.session.watch is not None:
                self.session.watch(stream, f"looking into {name}: {question.topic}")
            stream.wait()
        found = stream.draft.finish.found if stream.draft.finish else None
        stream.raise_interrupt("The question was not answered; ask it again.")
        if found is None:
            raise Stopped("The question was stopped before its answer.", "Ask it again.")
        return found


def _answer(ask: Callable[[], Any]) -> Any:
    """Return a finding, or the sentence that says why this model has none."""
    try:
        return ask()
    except BadOption as error:
        return str(error)


def of(completion: Completion, session: Session) -> Inside:
    """Return the inside of a completion. Raises BadOption if it has no trace."""
    if completion.trace is None:
        raise BadOption("This completion has no trace.", "Complete with trace=True (--trace).")
    return Inside(completion.trace, session, completion)
