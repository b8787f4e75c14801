"""The server refuses what is not for it, in one sentence, before it reads a body."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import echoes
import httpx2
import pytest
from shared_servers import Running, running

from jupyter_complete.serve import address, guard


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("runtime"), {"tiny": echoes.make()}) as one:
        yield one


def said(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["message"])


def ask(server: Running, path: str = "/v1/models", **more: object) -> httpx2.Response:
    headers = {**server.headers, **more.pop("headers", {})}  # type: ignore[dict-item]
    return httpx2.request(
        str(more.pop("method", "GET")), server.address.url + path, headers=headers, trust_env=False, **more
    )  # type: ignore[arg-type]


def test_with_its_token_it_answers(server: Running) -> None:
    assert [one["id"] for one in ask(server).json()["data"]] == ["tiny"]


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic eDp5", "Bearer né"])
def test_another_token_is_refused(server: Running, token: str) -> None:
    answer = ask(server, headers={"Authorization": token.encode()})
    assert answer.status_code == 401
    assert said(answer) == "The token is not this server's. Send it as 'Authorization: Bearer TOKEN'."


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_a_page_that_points_a_name_of_its_own_here_is_refused(server: Running, host: str) -> None:
    answer = ask(server, headers={"Host": host})
    assert answer.status_code in (400, 403)
    if host:
        assert said(answer).startswith("This server answers to localhost only.")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8000"])
def test_names_of_this_machine_are_accepted(server: Running, host: str) -> None:
    assert ask(server, headers={"Host": host}).status_code == 200


def test_a_proxy_is_accepted_by_its_name_alone(tmp_path: Path) -> None:
    with running(tmp_path, {"tiny": echoes.make()}, proxies=("Hub.example",)) as one:
        assert ask(one, headers={"Host": "hub.example"}).status_code == 200
        assert ask(one, headers={"Host": "other.example"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8888"])
def test_a_web_page_is_refused(server: Running, origin: str) -> None:
    answer = ask(server, headers={"Origin": origin})
    assert answer.status_code == 403
    assert said(answer).startswith("This server answers programs and not web pages.")


def test_a_huge_body_is_refused_before_it_is_read(server: Running) -> None:
    where = httpx2.URL(server.address.url)
    with socket.create_connection((where.host, where.port), timeout=30) as line:
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2**37}\r\n"
        line.sendall(f"{head}Authorization: Bearer {server.address.token}\r\n\r\n".encode())
        answer = line.recv(4096)
    assert b"413" in answer.split(b"\r\n")[0]


def test_a_body_that_grows_without_end_is_refused(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LARGEST_BODY", 2**20)
    sent: list[int] = []

    def body() -> Iterator[bytes]:
        for _ in range(10_000):
            sent.append(1)
            yield b" " * 2**16

    with suppress(httpx2.HTTPError):  # the server may have closed the connection already
        assert ask(server, "/v1/completions", method="POST", content=body()).status_code == 413
    assert len(sent) < 10_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", b"{"),
        ("/v1/completions", b"[" * 100_000),
        ("/v1/completions", b"[1]"),
        ("/v1/completions", b"{}"),
        ("/v1/completions", b'{"prompt": 5}'),
        ("/v1/completions", b'{"prompt": "a", "temperature": "hot"}'),
        ("/v1/completions", b'{"prompt": "a", "logit_bias": {"5": 1}}'),
        ("/v1/completions", b'{"prompt": "a", "model": "not/here/../.."}'),
        ("/v1/completions", b'{"prompt": "a", "n": 1000000}'),
        ("/v1/chat/completions", b'{"messages": [{"role": "judge", "content": "a"}]}'),
        ("/v1/chat/completions", b'{"messages": []}'),
        ("/v1/jupyter_complete/stream", b"{}"),
        ("/v1/jupyter_complete/stream", b'{"request": [1, 2]}'),
        ("/v1/jupyter_complete/examine", b'{"question": ["os", []]}'),
        ("/v1/jupyter_complete/many", b'{"requests": [[1, []]]}'),
    ],
    ids=str,
)
def test_a_body_that_is_not_understood_is_refused_in_one_sentence(server: Running, path: str, body: bytes) -> None:
    answer = ask(server, path, method="POST", content=body)
    assert answer.status_code == 400
    assert 10 < len(said(answer)) < 300
    assert "Traceback" not in answer.text


def test_another_address_and_another_method_are_refused_in_one_sentence(server: Running) -> None:
    assert said(ask(server, "/v1/secrets")).startswith("There is nothing at this address.")
    assert said(ask(server, "/v1/completions")).startswith("This address takes another method.")


def test_an_address_that_is_unknown_tells_nothing_without_the_token(server: Running) -> None:
    assert ask(server, "/v1/secrets", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="sockets of a user are for POSIX")
def test_its_socket_is_for_its_user_alone(server: Running) -> None:
    assert stat.S_IMODE(Path(server.address.socket).stat().st_mode) == 0o600
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=server.address.socket)) as client:
        assert client.get("http://localhost/v1/models", headers=server.headers).status_code == 200
        assert client.get("http://localhost/v1/models").status_code == 401


def test_it_listens_on_this_machine_only(server: Running) -> None:
    assert httpx2.URL(server.address.url).host == "127.0.0.1"


def test_its_file_and_its_socket_go_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with running(tmp_path, {"tiny": echoes.make()}):
        assert address.read() is not None
    assert not list(tmp_path.iterdir())


def test_a_proxy_may_put_it_anywhere(server: Running) -> None:
    answer = ask(server)
    assert server.address.url not in answer.text + json.dumps(dict(answer.headers))
