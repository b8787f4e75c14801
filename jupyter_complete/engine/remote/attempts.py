"""A request that is asked again where nothing of its answer had come, at a pace that all requests to a server share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import aclosing

from ...protocol.errors import ConnectionLost, RateLimited, ServerError, ServerFailure
from . import replies
from .connection import Connection
from .replies import Json

TRIES = 4
FIRST = 0.5  # seconds before the second try; each later one waits twice as long
Note = Callable[[str], None]


class Pace:
    """When the next request may go to a server: after a refusal for its rate, all wait."""

    def __init__(self) -> None:
        self._until = 0.0

    def hold(self, seconds: float) -> None:
        self._until = max(self._until, time.monotonic() + seconds)

    async def wait(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            await asyncio.sleep(left)


async def ask(
    connection: Connection, pace: Pace, path: str, body: object, take: Callable[[Json], None], note: Note
) -> None:
    """Give `take` each piece of the answer to a POST. `note` gets a sentence where another try is waited for.

    Raises a CompleteError: at once if a part of the answer had come, if another try would change nothing, or if the
    server asks to wait longer than `wait`.
    """
    ends = time.monotonic() + connection.server.wait
    for number in range(TRIES):
        await pace.wait()
        begun = False
        try:
            async with aclosing(replies.pieces(connection, path, body)) as pieces:
                async for piece in pieces:
                    begun = True
                    take(piece)
            return
        except (RateLimited, ServerFailure, ConnectionLost) as error:
            seconds = _seconds(error, number)
            if begun or number + 1 == TRIES or time.monotonic() + seconds > ends:
                raise
            if isinstance(error, RateLimited):
                pace.hold(seconds)
            note(f"{_reason(error)} {connection.server.host}: next try in {seconds:.0f} s")
            await asyncio.sleep(seconds)


def _seconds(error: ServerError, number: int) -> float:
    """How long to wait after a failure: what the server asks for, else longer each time, and never all at once."""
    if error.after is not None:
        return error.after
    return FIRST * 2.0**number * random.uniform(0.8, 1.2)


def _reason(error: ServerError) -> str:
    if isinstance(error, RateLimited):
        return "too many requests for"
    return "no connection to" if isinstance(error, ConnectionLost) else "failure of"
