"""Frames are decoded as the server writes them, and counted."""

from __future__ import annotations

import json

from frames import Frames, decoded
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1


def frame(kind: str, second: int, sent: bool = False, buffers: tuple[bytes, ...] = ()) -> bytes:
    header = {"msg_type": kind, "date": f"2026-01-01T00:00:{second:02}.500000Z"}
    parts = [json.dumps(part).encode() for part in (header, {}, {}, {"text": "🙂"})]
    return serialize_msg_to_ws_v1([*parts, *buffers], "shell" if sent else "iopub")


def test_a_frame_is_its_message_with_and_without_buffers() -> None:
    for buffers in ((), (b"abc", b"")):
        data = frame("comm_msg", 0, buffers=buffers)
        seen = decoded(False, data)
        assert (seen.kind, seen.channel, seen.content, seen.size) == ("comm_msg", "iopub", {"text": "🙂"}, len(data))


def test_frames_are_told_apart_and_counted() -> None:
    frames = Frames(decoded(False, frame("stream", second)) for second in (1, 1, 1, 2, 5))
    frames.append(decoded(True, frame("execute_request", 1, sent=True)))
    assert len(frames.of("stream")) == 5
    assert len(frames.of(sent=True)) == len(frames.of(channel="shell")) == 1
    assert frames.of("stream").most_a_second == 3
    assert frames.kinds == {"stream": 5, "execute_request": 1}
    assert frames.since(4).size == frames[4].size + frames[5].size
