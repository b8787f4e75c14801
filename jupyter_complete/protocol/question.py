"""A question about the inside of a model, and the finding that answers it: what every kind in questions/ derives from.

The shapes of findings use these letters: T tokens of the decoder's text, S tokens attended to, L layers, D numbers of
a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeAlias, TypeVar

from .errors import BadOption
from .views import Displayed

AttentionKind: TypeAlias = Literal["decoder", "encoder", "cross"]
"""Which attention: the decoder's own (a GPT has no other), the encoder's, or the decoder's to the encoder."""


@dataclass(frozen=True, slots=True)
class InputIds:
    """The text that a question is about: `ids` of the decoder, and `source`, those of the encoder if there is one."""

    ids: tuple[int, ...]
    source: tuple[int, ...] = ()

    @property
    def read(self) -> tuple[int, ...]:
        """The ids of the prompt's side: the encoder's, or the decoder's where there is no encoder."""
        return self.source or self.ids


@dataclass(frozen=True, eq=False)
class Finding(Displayed):
    """Base class of the answers: a dataclass of numpy arrays and plain values, which a trace file can hold.

    `shapes` has the axes of each array and tuple, a letter each. The same letter is the same length; a small letter is
    one more than the large one.
    """

    shapes: ClassVar[Mapping[str, str]] = {}

    @property
    def layers(self) -> int | None:
        """The number of layers of the decoder, if this finding shows it."""
        return None


F = TypeVar("F", bound=Finding)


@dataclass(frozen=True, slots=True)
class Question(Generic[F]):
    """Base class of the questions: a frozen value of plain fields, which is the key of its answer.

    A kind is one module of questions/. The module's name is the name of the kind, in trace files too.
    """

    finding: ClassVar[type[Finding]]

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def topic(self) -> str:
        """A word for what is asked: attention, lens, futures."""
        return type(self).__name__.removeprefix("Ask").lower()

    @property
    def subject(self) -> object:
        """What the question is about. An answer can hold those to other questions of its kind and subject."""
        return None

    def narrow(self, found: F, layers: int | None) -> F | None:
        """Return the answer if `found` holds it, which answers another question of the same kind and subject.

        `layers` is the number of layers of the decoder, if it is known. Raises BadOption for a place that does not
        exist.
        """
        return None


@dataclass(frozen=True, slots=True)
class TextQuestion(Question[F]):
    """A question about one text."""

    text: InputIds

    @property
    def subject(self) -> InputIds:
        return self.text


def resolve_place(place: int, length: int, what: str) -> int:
    """Return `place` counted from 0; a negative one counts from the end. Raises BadOption if it does not exist."""
    if not isinstance(place, int) or not -length <= place < length:
        raise BadOption(f"There is no {what} {place!r}.", f"Give 0 to {length - 1}.")
    return place % length


def find_places(held: Sequence[int], wanted: Sequence[int]) -> list[int] | None:
    """Return the place in `held` of everything `wanted`; None if something is missing or nothing is wanted."""
    places = {value: place for place, value in enumerate(held)}
    return [places[value] for value in wanted] if wanted and all(value in places for value in wanted) else None


def select(texts: Sequence[str], places: Sequence[int]) -> tuple[str, ...]:
    """Return the texts at some places."""
    return tuple(texts[place] for place in places)


def same_layer(found: int, asked: int, layers: int | None) -> bool:
    """Whether the layer `found`, counted from 0, is the one `asked` for, which may count from the end."""
    return found == (asked + layers if asked < 0 and layers is not None else asked)
