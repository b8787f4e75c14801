"""Events on the wire: each is a head of JSON and, for what a trace or a finding holds, arrays behind it.

A message begins with the lengths of both, four bytes each. A head of `null` says that the server lives.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias
from zipfile import BadZipFile

from ..protocol.errors import CompleteError
from ..protocol.events import Event, Finish
from ..protocol.question import Question
from .plain import BadMessage, reader, writer

Item: TypeAlias = Event | CompleteError
LENGTHS = struct.Struct("!II")
LARGEST = 2**30  # bytes of one message


def pack(item: Item | None, question: Question[Any] | None = None) -> bytes:
    """Return a message. `question` is the question that a finding answers."""
    head = None if item is None else writer(Item)(item)
    arrays = _arrays(item, question) if isinstance(item, Finish) else b""
    written = json.dumps(head, separators=(",", ":")).encode()
    return LENGTHS.pack(len(written), len(arrays)) + written + arrays


class Messages:
    """Messages read from pieces of a stream, wherever the pieces' borders fall."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[Item | None]:
        """Yield the messages that are whole with this piece. Raises BadMessage."""
        self._held += piece
        while len(self._held) >= LENGTHS.size:
            head, arrays = LENGTHS.unpack_from(self._held)
            if head + arrays > LARGEST:
                raise BadMessage("a message is too long")
            begin, end = LENGTHS.size, LENGTHS.size + head + arrays
            if len(self._held) < end:
                return
            item = _item(bytes(self._held[begin : begin + head]), bytes(self._held[begin + head : end]))
            del self._held[:end]
            yield item


def _item(head: bytes, arrays: bytes) -> Item | None:
    try:
        value = json.loads(head)
    except (ValueError, RecursionError):
        raise BadMessage("a message is no JSON") from None
    if value is None:
        return None
    item: Item = reader(Item)(value)
    return _with_arrays(item, arrays) if isinstance(item, Finish) and arrays else item


def _arrays(finish: Finish, question: Question[Any] | None) -> bytes:
    """The recording and the finding of a finish, as a trace file holds them."""
    from ..results import trace_file
    from ..results.trace import Trace

    trace, found = finish.recorded, finish.found
    if trace is None and found is None:
        return b""
    plain, arrays = trace.parts() if isinstance(trace, Trace) else ({}, {})
    file = io.BytesIO()
    answers = {question: found} if question is not None and found is not None else {}
    trace_file.write(file, plain, arrays, answers, compress=False)
    return file.getvalue()


def _with_arrays(finish: Finish, written: bytes) -> Finish:
    from ..results import trace_file
    from ..results.trace import from_parts

    try:
        plain, arrays, found = trace_file.read(io.BytesIO(written))
        trace = from_parts(plain, arrays, {}) if plain else None
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError):
        raise BadMessage("the arrays of a message cannot be read") from None
    return replace(finish, recorded=trace, found=next(iter(found.values()), None))
