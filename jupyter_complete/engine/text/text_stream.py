"""Token ids to safe text, as they come: whole characters only, no stop string, nothing retracted.

A detokenizer holds what may still change (the bytes of a split character); a StopMatcher holds only an ending
that may become a stop string. Both give the rest on `flush`, so the pieces always join to the whole.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import NamedTuple, Protocol

from ...protocol.events import Reason
from ...protocol.phrases import REPLACEMENT
from ...protocol.sampling import End
from .sentences import SentenceHold


class Detokenizer(Protocol):
    """Ids in, text out; the pieces join to what decoding all ids at once gives."""

    def push(self, token: int) -> str: ...
    def flush(self) -> str: ...


class ByteDetokenizer:
    """For byte-level vocabularies: `token_bytes` maps an id to its bytes, which are decoded as UTF-8 as they come."""

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        return self._decoder.decode(self._token_bytes(token))

    def flush(self) -> str:
        return self._decoder.decode(b"", final=True)


class WindowDetokenizer:
    """For every other vocabulary: decodes a short window of ids again for each token.

    `decode` turns ids to text; `leaves_open` tells byte tokens (<0xE4>), whose run decodes as a whole and is held until
    it ends; `context` are ids before the first one that give it its place, so that its leading space survives.
    """

    HOLD = 16  # tokens without byte tokens of their own are held at most this long for a character to be whole

    def __init__(
        self, decode: Callable[[Sequence[int]], str], leaves_open: Callable[[int], bool], context: Sequence[int] = ()
    ) -> None:
        self._decode = decode
        self._leaves_open = leaves_open
        self._ids = list(context)
        self._start = 0  # the window's first id
        self._read = len(self._ids)  # ids before this one have been given out
        self._whole = decode(self._ids) if self._ids else ""
        self._skip = len(self._whole)

    def push(self, token: int) -> str:
        self._ids.append(token)
        if self._leaves_open(token):
            return ""
        piece = self._piece()
        if piece is None or (piece.endswith(REPLACEMENT) and len(self._ids) - self._read < self.HOLD):
            return ""
        return self._give(piece)

    def flush(self) -> str:
        piece = self._piece()
        if piece is None:  # the window alone cannot tell: ask for the whole text
            text = self._decode(self._ids)
            piece = text[len(self._whole) :] if text.startswith(self._whole) else ""
        return self._give(piece)

    def _piece(self) -> str | None:
        known = self._decode(self._ids[self._start : self._read]) if self._read > self._start else ""
        text = self._decode(self._ids[self._start :])
        return text[len(known) :] if text.startswith(known) else None

    def _give(self, piece: str) -> str:
        if piece:  # an empty piece gives later ids no place: keep the old one
            if self._read > self._start:
                self._start = self._read
            self._whole += piece
        self._read = len(self._ids)
        return piece


class WholeDetokenizer:
    """For tokenizers written in Python, where a token can change the text before it (CTRL's "fo@@ ur" is "four").

    `decode` gets all ids again for each token. What the last two texts begin with alike is given out.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._ids = list(context)
        self._skip = len(decode(self._ids)) if context else 0
        self._text = self._given = ""

    def push(self, token: int) -> str:
        self._ids.append(token)
        before, self._text = self._text, self._decode(self._ids)[self._skip :]
        if self._text == before:  # a token without a text tells nothing about the one before it
            return ""
        alike = sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(before, self._text, strict=False)))
        return self._give(self._text[:alike])

    def flush(self) -> str:
        return self._give(self._text)

    def _give(self, text: str) -> str:
        piece = text[len(self._given) :]
        self._given += piece
        return piece


class StopMatcher:
    """Cuts the text at the first stop string to be complete, wherever the pieces' borders fall."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def push(self, piece: str) -> tuple[str, bool]:
        """The text that is safe to show, and whether a stop string was met."""
        if not self._stops:
            return piece, False
        text = self._held + piece
        met = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if met:
            self._held = ""
            return text[: min(met)[1]], True
        safe = len(text) - self._longest_beginning(text)
        self._held = text[safe:]
        return text[:safe], False

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held

    def _longest_beginning(self, text: str) -> int:
        """Length of the longest ending of `text` that begins a stop string."""
        longest = max(map(len, self._stops)) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops if len(stop) > size):
                return size
        return 0


class Delta(NamedTuple):
    """What one token added to the text, what of the text may be shown now, and whether a stop string was met."""

    text: str
    shown: str
    stopped: bool


class TextStream:
    """One continuation's text: a detokenizer followed by a stop matcher, and by one for sentences if it may `end` only
    there.

    It may begin after a `prefix` of ids: `before` is the text they added, and what of it may be shown while its end
    may still become a stop string. A stop string inside the prefix was gone past, and stands.

    A text ends by itself ("stop"), or it is cut ("length", "interrupted"). Half a character at a cut is left out of the
    text; its ids stay, so a continuation completes it.
    """

    def __init__(
        self, detokenizer: Detokenizer, stops: Sequence[str] = (), prefix: Sequence[int] = (), end: End = "anywhere"
    ) -> None:
        self._detokenizer = detokenizer
        self._stops = StopMatcher(stops)
        self._sentences: SentenceHold | None = None
        text = shown = ""
        for token in prefix:
            delta = self.push(token)
            text += delta.text
            shown = text if delta.stopped else shown + delta.shown
        self.before = Delta(text, shown, False)
        if end == "sentence":
            self._sentences = SentenceHold()

    def push(self, token: int, ends: Reason | None = None) -> Delta:
        """Take the next token; if the text `ends` with it, what is held is given out as well."""
        text = self._detokenizer.push(token) + (self._flush(ends) if ends else "")
        return Delta(text, *self._shown(text, ends))

    def close(self, ends: Reason = "stop") -> tuple[str, str]:
        """The text still held when there are no more tokens: (all of it, what may be shown)."""
        text = self._flush(ends)
        return text, self._shown(text, ends)[0]

    def _flush(self, ends: Reason) -> str:
        text = self._detokenizer.flush()
        return text if ends == "stop" else text.rstrip(REPLACEMENT)

    def _shown(self, text: str, ends: Reason | None) -> tuple[str, bool]:
        """What may be shown of the text so far, and whether a stop string was met."""
        shown, stopped = self._stops.push(text)
        if ends and not stopped:
            shown += self._stops.flush()
        if self._sentences:
            shown = self._sentences.push(shown)
            if ends or stopped:
                shown += self._sentences.flush(cut=ends == "length" and not stopped)
        return shown, stopped
