"""22 kinds of fault of a server: each is one typed error in one sentence, what had come is kept, and no key leaks."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from typing import NamedTuple

import pytest
from IPython.core.interactiveshell import InteractiveShell
from scripted import Wire, scripted

from jupyter_complete.engine.remote import faults
from jupyter_complete.protocol.errors import (
    AccessDenied,
    BadReply,
    CompleteError,
    ConnectionLost,
    NoConnection,
    NoReply,
    PromptTooLong,
    RateLimited,
    Redirect,
    ServerFailure,
    UnknownModel,
)
from jupyter_complete.session.session import Session
from jupyter_complete.sources.server import Server

CANARY = "sk-canary-0123456789abcdef"
KEPT = " one two"


class Fault(NamedTuple):
    """What a server does, the error it becomes, words of its message, the text that is kept, and requests sent."""

    script: Callable[[Wire], None]
    error: type[CompleteError]
    words: str
    kept: str = ""
    posts: int = 1


def begin(wire: Wire) -> None:
    wire.head()
    wire.text(" one", " two")


def refuse(status: int, said: str = "", **more: str) -> Callable[[Wire], None]:
    return lambda wire: wire.refuse(status, said or f"no, {wire.headers.get('authorization', '')}", **more)


def after_two(data: bytes) -> Callable[[Wire], None]:
    def script(wire: Wire) -> None:
        begin(wire)
        wire.raw(data)

    return script


def whole(kind: str, data: bytes) -> Callable[[Wire], None]:
    def script(wire: Wire) -> None:
        wire.head(200, kind)
        wire.raw(data)

    return script


def slow(wire: Wire) -> None:
    wire.wait_for_the_end()


def stall(wire: Wire) -> None:
    begin(wire)
    wire.wait_for_the_end()


def pings(wire: Wire) -> None:
    """Comments that keep the connection alive, and nothing else."""
    begin(wire)
    while True:  # ends when the client closes the connection
        wire.raw(b": ping\n\n" * 2000)


def gzip(wire: Wire) -> None:
    wire.head(200, "text/event-stream", Content_Encoding="gzip")
    wire.raw(b"this is not gzip")


HALF = 'data: {"choices": [{"text": " é'.encode()[:-1]
FAULTS = {
    "401": Fault(refuse(401), AccessDenied, "refuses the key"),
    "403": Fault(refuse(403), AccessDenied, "forbids"),
    "404": Fault(refuse(404, "Not Found"), BadReply, "no such address"),
    "429 with a long Retry-After": Fault(refuse(429, Retry_After="3600"), RateLimited, "asks to wait 3,600 s"),
    "429 again and again": Fault(refuse(429, Retry_After="0"), RateLimited, "too many requests", posts=4),
    "500 again and again": Fault(refuse(500, Retry_After="0"), ServerFailure, "failed (status 500)", posts=4),
    "503 again and again": Fault(refuse(503, Retry_After="0"), ServerFailure, "overloaded", posts=4),
    "slow first byte": Fault(slow, NoReply, "began no answer within 0.4 s"),
    "stall in mid-stream": Fault(stall, NoReply, "nothing more for 0.4 s", KEPT),
    "pings in place of text": Fault(pings, NoReply, "nothing more for 0.4 s", KEPT),
    "cut in mid-stream": Fault(begin, ConnectionLost, "in the middle", KEPT),
    "cut in mid-character": Fault(after_two(HALF), ConnectionLost, "in the middle", KEPT),
    "malformed events": Fault(after_two(b"nonsense\n\ndata: }{\n\n"), BadReply, "not JSON", KEPT),
    "wrong JSON": Fault(after_two(b"data: [1, 2]\n\n"), BadReply, "not an object", KEPT),
    "empty choices": Fault(after_two(b'data: {"choices": []}\n\n'), BadReply, "without choices", KEPT),
    "huge line": Fault(after_two(b"data: " + b"x" * 3_000_000), BadReply, "more than 1 MB", KEPT),
    "error in mid-stream": Fault(after_two(b'data: {"error": {"message": "out of memory"}}\n\n'), ServerFailure,
                                 "out of memory", KEPT),
    "broken compression": Fault(gzip, BadReply, "cannot be read"),
    "web page": Fault(whole("text/html", b"<html>Sign in</html>"), BadReply, "a web page"),
    "redirect": Fault(refuse(302, Location="https://elsewhere.example/v1"), Redirect, "elsewhere.example"),
    "model gone": Fault(refuse(404, "The model `x` does not exist"), UnknownModel, "no such model"),
    "context exceeded": Fault(refuse(400, "This model's maximum context length is 10 tokens"), PromptTooLong,
                              "longer than"),
    "ended before an answer": Fault(lambda wire: None, ConnectionLost, "before it answered", posts=4),
}  # fmt: skip
WAIT = {"slow first byte": 0.4, "stall in mid-stream": 0.4, "pings in place of text": 0.4}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    monkeypatch.setattr("jupyter_complete.engine.remote.attempts.FIRST", 0.01)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def ask(session: Session, server: Server) -> tuple[BaseException | None, str, str]:
    """The error of one request, the text that is kept, and all that a person could read of it."""
    session.models.add_remote("far", server, "scripted")
    stream = session.stream("Count:", model="far", temperature=0)
    done = stream.completion()
    said = [*traceback.format_exception(stream.error)] if stream.error else []
    held = [repr(one) for one in (stream.error, done, done.model, done.request, server, *session.models)]
    shown = [str(value) for value in done.bundle().values()]
    if session.models.get("far") is not None:
        session.models.unload("far")
    return stream.error, done.text, "\n".join([*said, *held, *shown])


def check(session: Session, fault: Fault, name: str, logged: pytest.LogCaptureFixture) -> None:
    with scripted(fault.script) as server:
        error, text, readable = ask(session, Server(server.url, "CANARY_KEY", WAIT.get(name, 20.0)))
        assert type(error) is fault.error, readable
        assert fault.words in error.message
        assert error.message.endswith(".")
        assert error.hint.endswith((".", ")"))
        assert "\n" not in str(error)
        assert text == fault.kept
        assert len(server.posts) == fault.posts
        assert all(wire.headers["authorization"] == f"Bearer {CANARY}" for wire in server.seen)
        assert CANARY not in readable + logged.text


def test_there_are_22_kinds_or_more() -> None:
    assert len(FAULTS) + 3 >= 22


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.timeout(30)
def test_a_fault_is_one_typed_error_and_keeps_the_text(
    session: Session, name: str, everything_logged: pytest.LogCaptureFixture
) -> None:
    check(session, FAULTS[name], name, everything_logged)


@pytest.mark.heavy
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_comes_to_the_same_three_times(
    session: Session, name: str, everything_logged: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        check(session, FAULTS[name], name, everything_logged)


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with scripted(begin) as server:
        return server.url


def test_a_refused_connection(session: Session, nobody: str) -> None:
    error, _, readable = ask(session, Server(nobody, "CANARY_KEY"))
    assert isinstance(error, NoConnection)
    assert "refuses the connection" in error.message
    assert CANARY not in readable


def test_a_server_that_went_away_after_it_was_connected(session: Session) -> None:
    with scripted(begin) as server:
        session.models.add_remote("far", Server(server.url), "")
        session.models.load("far", "auto", "auto").wait()
    stream = session.stream("Count:", model="far", temperature=0)
    stream.completion()
    assert isinstance(stream.error, NoConnection)


def test_an_unknown_host(session: Session) -> None:
    error, _, _ = ask(session, Server("https://no-such-host.invalid/v1", "CANARY_KEY"))
    assert isinstance(error, NoConnection)
    assert "There is no host no-such-host.invalid" in error.message


def test_a_server_without_tls(session: Session) -> None:
    with scripted(begin) as server:
        error, _, readable = ask(session, Server(server.url.replace("http:", "https:"), "CANARY_KEY"))
    assert isinstance(error, NoConnection)
    assert "TLS" in error.message
    assert CANARY not in readable


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_before_any_answer_is_tried_again(session: Session, status: int) -> None:
    def script(wire: Wire) -> None:
        if wire.number < 2:
            wire.refuse(status, Retry_After="0")
            return
        begin(wire)
        wire.done()

    with scripted(script) as server:
        error, text, _ = ask(session, Server(server.url))
        assert error is None
        assert text == KEPT
        assert len(server.posts) == 3


def test_the_seconds_of_retry_after_come_as_a_number_or_as_a_date() -> None:
    assert faults.seconds_of({"retry-after": "7"}) == 7
    assert faults.seconds_of({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert faults.seconds_of({"retry-after": "soon"}) is None
    assert faults.seconds_of({}) is None


def test_the_longest_traceback_and_a_pickle_hold_no_key(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(refuse(401)) as server:
        shell.run_line_magic("xmode", "Verbose")
        shell.run_cell(
            f"import jupyter_complete as jc; far = jc.remote({server.url!r}, name='far', key_env='CANARY_KEY')"
        )
        shell.run_cell("%%complete -m far -t 0\nCount:")
        shell.run_cell("far.complete('Count:', temperature=0)")
        shell.run_line_magic("complete_model", "status")
        server.script = begin
        shell.run_cell("%%complete -m far -t 0 -o done\nCount:")
        assert len(server.posts) == 3
        assert all(wire.headers["authorization"] == f"Bearer {CANARY}" for wire in server.seen)
    out, err = capsys.readouterr()
    assert "refuses the key: no, Bearer (key)" in out + err
    kept = shell.user_ns["done"]
    assert kept.text == KEPT
    assert CANARY not in out + err + repr(shell.user_ns["_ih"]) + repr(shell.user_ns["far"])
    assert CANARY.encode() not in pickle.dumps(kept)
