"""Addresses and keys of servers: what is taken, what is refused, and that no message repeats a key."""

from __future__ import annotations

import pytest

from jupyter_complete.protocol.errors import AccessDenied, BadOption
from jupyter_complete.sources.server import Server

CANARY = "sk-canary-0123456789abcdef"


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://Host.example/openai/v1", "https://host.example/openai/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_an_address_is_taken_up_to_its_version(given: str, base: str) -> None:
    assert Server(given).url == base


@pytest.mark.parametrize(
    "given",
    [
        "localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", "http://a b/v1", "", None, 7,
        "http://host/v1\r\nX: y", "http://host\\@evil/v1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(given: object) -> None:
    with pytest.raises(BadOption, match="begins with http"):
        Server(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", [f"https://user:{CANARY}@host/v1", f"https://{CANARY}@host/v1", f"https://host/v1?api_key={CANARY}",
            f"https://host/v1#{CANARY}"]
)  # fmt: skip
def test_a_key_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadOption) as refused:
        Server(url)
    assert CANARY not in str(refused.value)


def test_a_key_in_place_of_a_variable_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadOption, match="name of an environment variable") as refused:
        Server("https://host/v1", CANARY)
    assert CANARY not in str(refused.value)


def test_a_variable_that_is_not_set_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("hf_canary0123456789", raising=False)
    with pytest.raises(AccessDenied, match="is not set") as refused:
        Server("https://host/v1", "hf_canary0123456789").key()  # as a key that happens to be a name
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://host.example/v1", "http://10.0.0.7/v1", "http://localhost.evil.example/v1"])
def test_no_key_goes_over_http_to_another_machine(url: str) -> None:
    with pytest.raises(BadOption, match="over http"):
        Server(url, "KEY")


@pytest.mark.parametrize(
    "url", ["http://localhost/v1", "http://127.0.0.2:80/v1", "http://[::1]/v1", "https://h.example"]
)
def test_a_key_goes_over_https_or_to_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", f" {CANARY}\n")
    assert Server(url, "KEY").key() == CANARY


def test_a_key_that_no_header_can_carry_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk-\n-canary")
    with pytest.raises(AccessDenied, match="no header"):
        Server("https://host/v1", "KEY").key()


@pytest.mark.parametrize("options", [{"wait": 0}, {"wait": "x"}, {"at_once": 0}, {"at_once": True}, {"at_once": 2000}])
def test_bounds_of_waiting_and_of_requests(options: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        Server("http://localhost/v1", **options)  # type: ignore[arg-type]
