"""What may be asked of a model besides a text: the inside of one pass, and what would come next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Part = Literal["decoder", "encoder", "cross"]
"""Which attention: the decoder's own (of a GPT, all there is), the encoder's, or the decoder's to the encoder."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is looked at: the `ids` that the decoder holds, and those an encoder read, where there is one."""

    ids: tuple[int, ...]
    source: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AskAttention:
    text: Text
    layer: int
    part: Part = "decoder"


@dataclass(frozen=True, slots=True)
class AskHead:
    text: Text
    layer: int
    head: int
    part: Part = "decoder"


@dataclass(frozen=True, slots=True)
class AskLens:
    """What every layer would say next, at the positions from `begin` on, up to `end` where that is given."""

    text: Text
    top: int = 5
    begin: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class AskAdded:
    """What attention and MLP of every layer add to the states."""

    text: Text


@dataclass(frozen=True, slots=True)
class AskPath:
    """The way of some tokens through the layers, at one position: as what comes after it."""

    text: Text
    tokens: tuple[int, ...]
    position: int


@dataclass(frozen=True, slots=True)
class AskEmbedding:
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskState:
    """What the head reads at one position, and its rows for some tokens."""

    text: Text
    position: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskOcclusion:
    """What changes at the `targets`, places of tokens, where no token may look at `position`, which is one of the
    source where there is an encoder."""

    text: Text
    position: int
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskFutures:
    """What may come next, `depth` tokens far, where it is at least `cutoff` likely together; `most` nodes a depth."""

    text: Text
    depth: int
    cutoff: float
    most: int


@dataclass(frozen=True, slots=True)
class AskChange:
    """What comes next after a text and after the same with another token at `position`."""

    text: Text
    position: int
    token: int
    top: int


Question: TypeAlias = (
    AskAttention
    | AskHead
    | AskLens
    | AskAdded
    | AskPath
    | AskEmbedding
    | AskState
    | AskOcclusion
    | AskFutures
    | AskChange
)
