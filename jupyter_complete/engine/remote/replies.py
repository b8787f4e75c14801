"""Replies of a server as JSON objects: one as a whole, or the pieces of a stream; all else is a typed error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx2

from ...sources.server import Server
from . import faults
from .connection import Connection

LARGEST = 32_000_000  # bytes of a reply that comes as a whole
LARGEST_ERROR = 64_000  # bytes that are read of an error
LARGEST_LINE = 1_000_000  # bytes of a line of a stream
END = "[DONE]"

Json = dict[str, Any]


async def whole(connection: Connection, path: str, body: object | None = None) -> Json:
    """The JSON object that a GET, or a POST of `body`, is answered with. Raises a CompleteError."""
    server = connection.server
    try:
        async with connection.open(path, body) as response:
            if not response.is_success:
                raise faults.of_response(server, response, await _read(response, LARGEST_ERROR))
            async with asyncio.timeout(server.wait):
                content = await _read(response, LARGEST)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise faults.of_exception(server, error, begun=False) from None
    return _object(server, content, begun=False)


async def pieces(connection: Connection, path: str, body: object) -> AsyncGenerator[Json, None]:
    """The JSON objects of the stream that answers a POST, each within the server's `wait` after the one before.

    Raises a CompleteError, also where the stream stops before its end.
    """
    server, begun, ended = connection.server, False, False
    try:
        async with connection.open(path, body) as response:
            if not response.is_success:
                raise faults.of_response(server, response, await _read(response, LARGEST_ERROR))
            async with aclosing(_events(server, response)) as events:
                async for data in events:
                    if data == END:
                        return
                    piece = _object(server, data.encode(), begun)
                    begun = True
                    ended = ended or _ends(piece)
                    yield piece
    except (httpx2.HTTPError, OSError) as error:
        if ended:  # all has come but the last mark
            return
        raise faults.of_exception(server, error, begun) from None
    if not ended:
        raise faults.lost(server, begun)


async def _events(server: Server, response: httpx2.Response) -> AsyncGenerator[str, None]:
    """The data of each event; of a reply that comes as a whole, all of it, and END."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        async with asyncio.timeout(server.wait):
            content = await _read(response, LARGEST)
        yield content.decode("utf-8", "replace")
        yield END
        return
    if kind != "text/event-stream":
        what = "a web page" if kind == "text/html" else f"{kind or 'nothing'} and no event stream"
        raise faults.bad(server, what, begun=False)
    response.encoding = "utf-8"  # whatever its header says: the format has no other
    source = aiter(httpx2.EventSource(response, LARGEST_LINE))
    while True:
        async with asyncio.timeout(server.wait):
            event = await anext(source, None)
        if event is None:
            return
        if event.data.strip():
            yield event.data.strip()


def _object(server: Server, data: bytes, begun: bool) -> Json:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise faults.bad(server, "text that is not JSON", begun) from None
    if not isinstance(found, dict):
        raise faults.bad(server, "JSON that is not an object", begun)
    if found.get("error"):
        raise faults.of_error_object(server, found["error"], begun)
    return found


def _ends(piece: Json) -> bool:
    """Whether a piece says why the text ends."""
    choices = piece.get("choices")
    return isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices)


async def _read(response: httpx2.Response, most: int) -> bytes:
    """The content of a response; raises BadReply... where it is longer than `most` bytes, which no reply is."""
    parts, size = list[bytes](), 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > most:
            break
    return b"".join(parts)[:most]
