"""Where in a panel's text the model writes, and what it is asked there: plain text, a task's answer, a chat's turn.

Plain text goes on where the caret stands, between what is before it and what follows. The answer of a task, or of a
chat, is a block of its own, with an empty line before it and after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..protocol.prompt_parts import Turn
from .panel_state import MODEL, YOU, Piece

GAP = "\n\n"

Pieces = Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Place:
    """The pieces before and after the model's text, and what it is asked: a prompt, and a suffix or earlier turns."""

    before: tuple[Piece, ...]
    after: tuple[Piece, ...]
    prompt: str
    suffix: str = ""
    turns: tuple[Turn, ...] = ()
    block: bool = False


def place(before: Pieces, after: Pieces = (), chosen: Pieces = (), *, chat: bool = False, task: str = "") -> Place:
    """Where the model writes when the caret, or the end of the `chosen` pieces, stands behind the pieces `before`."""
    if task and chosen:
        return Place(_closed(before), _opened(after), joined(chosen), block=True)
    if task:
        whole = (*before, *after)
        return Place(_closed(whole), (), joined(whole), block=True)
    if chat:
        *earlier, question = turns_of(before) or (Turn("user", ""),)
        if question.role == "assistant":  # nothing was asked since the last answer
            earlier, question = [*earlier, question], Turn("user", "")
        return Place(_closed(before), _opened(after), question.text, turns=tuple(earlier), block=True)
    return Place(tuple(before), tuple(after), joined(before), joined(after))


def joined(pieces: Pieces) -> str:
    return "".join(text for _, text in pieces)


def turns_of(pieces: Pieces) -> tuple[Turn, ...]:
    """The conversation that a text is: where empty lines divide the authors, another turn begins.

    A part that both wrote, such as an answer in which a word was changed, is by who wrote more of it; the first is the
    user's.
    """
    turns: list[list[str]] = []  # role and text
    for number, part in enumerate(_parts(pieces)):
        model = sum(len(text) if who == MODEL else -len(text) for who, text in part) > 0
        role = "assistant" if model and number else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1] += joined(part)
        else:
            turns.append([role, joined(part)])
    return tuple(Turn("user" if role == "user" else "assistant", text.strip()) for role, text in turns if text.strip())


def trimmed(before: Pieces, chosen: Pieces, after: Pieces) -> tuple[tuple[Piece, ...], str, tuple[Piece, ...]]:
    """A chosen text without the blanks round it, which go to what is before and after."""
    text = joined(chosen)
    core = text.strip()
    start = text.index(core)
    head, tail = text[:start], text[start + len(core) :]
    return (*before, *([(YOU, head)] if head else [])), core, (*([(YOU, tail)] if tail else []), *after)


def _parts(pieces: Pieces) -> list[list[Piece]]:
    """The pieces parted where the author changes at an empty line."""
    parts: list[list[Piece]] = []
    for piece in pieces:
        if parts and not (parts[-1][-1][0] != piece[0] and _is_border(joined(parts[-1]), piece[1])):
            parts[-1].append(piece)
        else:
            parts.append([piece])
    return parts


def _is_border(one: str, two: str) -> bool:
    """Whether an empty line stands between two texts."""
    end, begin = one[len(one.rstrip()) :], two[: len(two) - len(two.lstrip())]
    return (end + begin).count("\n") >= len(GAP)


def _closed(pieces: Pieces) -> tuple[Piece, ...]:
    """`pieces` that end with an empty line."""
    text = joined(pieces)
    lacking = len(GAP) - (len(text) - len(text.rstrip("\n")))
    return (*pieces, (YOU, "\n" * lacking)) if lacking > 0 else tuple(pieces)


def _opened(pieces: Pieces) -> tuple[Piece, ...]:
    """`pieces` that begin with an empty line, where the next text is written."""
    text = joined(pieces)
    lacking = len(GAP) - (len(text) - len(text.lstrip("\n")))
    return ((YOU, "\n" * lacking), *pieces) if lacking > 0 else tuple(pieces)
