"""What a page and its kernels say to each other: the websocket's messages, decoded and counted."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

CHANNELS = "/api/kernels/"


@dataclass(frozen=True)
class Frame:
    """One message on a kernel's websocket."""

    sent: bool  # by the page
    channel: str
    header: dict[str, Any]
    parent: dict[str, Any]
    content: dict[str, Any] = field(repr=False)
    size: int  # of the whole frame, in bytes
    at: float  # time.monotonic() when the test learned of it, which may be later than it came

    @property
    def kind(self) -> str:
        return str(self.header["msg_type"])

    @property
    def said(self) -> float:
        """When the sender made it, in seconds of Unix time."""
        return datetime.fromisoformat(self.header["date"].replace("Z", "+00:00")).timestamp()


class Frames(list[Frame]):
    """The frames of a page, oldest first."""

    def of(self, *kinds: str, sent: bool | None = None, channel: str = "") -> Frames:
        """Those of these kinds, of one direction and of one channel where they are given."""
        return Frames(
            one
            for one in self
            if (not kinds or one.kind in kinds)
            and (sent is None or one.sent is sent)
            and (not channel or one.channel == channel)
        )

    def since(self, mark: int) -> Frames:
        """Those after the first `mark`: take len(frames) before what is to be counted."""
        return Frames(self[mark:])

    @property
    def size(self) -> int:
        return sum(one.size for one in self)

    @property
    def kinds(self) -> Counter[str]:
        return Counter(one.kind for one in self)

    @property
    def most_a_second(self) -> int:
        """The most that were said within any second."""
        times = sorted(one.said for one in self)
        return max((sum(start <= time < start + 1 for time in times) for start in times), default=0)


def watch(page: Any) -> Frames:
    """The frames of this page, from now on."""
    seen = Frames()

    def listen(socket: Any) -> None:
        if CHANNELS in socket.url:
            socket.on("framesent", lambda data: seen.append(decoded(True, data)))
            socket.on("framereceived", lambda data: seen.append(decoded(False, data)))

    page.on("websocket", listen)
    return seen


def decoded(sent: bool, data: str | bytes) -> Frame:
    """A frame as the message in it; bytes are v1.kernel.websocket.jupyter.org, text is its JSON predecessor."""
    if isinstance(data, str):
        message = json.loads(data)
        channel, parts = message["channel"], [message[name] for name in ("header", "parent_header", "content")]
    else:
        channel, (header, parent, _metadata, content) = _parts(data)
        parts = [json.loads(part) for part in (header, parent, content)]
    return Frame(sent, channel, *parts, size=len(data), at=time.monotonic())


def _parts(data: bytes) -> tuple[str, list[bytes]]:
    """The channel and the four JSON parts; buffers follow them. It begins with the number of offsets, then these."""
    count = int.from_bytes(data[:8], "little")
    offsets = [int.from_bytes(data[8 * n : 8 * n + 8], "little") for n in range(1, count + 1)]
    pieces = [data[begin:end] for begin, end in pairwise(offsets)]
    return pieces[0].decode(), pieces[1:5]
