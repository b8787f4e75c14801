"""The address of an OpenAI-compatible server, and the environment variable that holds its key."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from ..protocol.errors import AccessDenied, BadOption

WAIT = 120.0  # seconds
AT_ONCE = 8  # requests
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXAMPLE = 'As in jc.remote("http://localhost:8000/v1", "MODEL").'
_KEY_EXAMPLE = 'As in key_env="OPENAI_API_KEY"; set the variable before Jupyter starts.'


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    name = urlsplit(url).hostname or ""
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_secret(url: str) -> bool:
    """Whether nobody on the way to an address can read what is sent."""
    return is_local(url) or url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that speaks the OpenAI protocol.

    url      its base address, up to and with "/v1"
    key_env  name of the environment variable that holds the key; "" sends none. The key itself is kept nowhere.
    wait     seconds without a sign of the answer after which a request fails
    at_once  maximum number of requests that run at the same time
    """

    url: str
    key_env: str = ""
    wait: float = WAIT
    at_once: int = AT_ONCE

    def __post_init__(self) -> None:
        """Raise BadOption for an address or a variable that cannot be used. No message repeats what may be a key."""
        object.__setattr__(self, "url", _base(self.url))
        if not isinstance(self.key_env, str) or (self.key_env and not _VARIABLE.fullmatch(self.key_env)):
            raise BadOption(
                "key_env is the name of an environment variable, and this is none. Never give the key itself.",
                _KEY_EXAMPLE,
            )
        if self.key_env and not self.secret:
            raise BadOption(
                f"A key is not sent to {self.host} over http, because anybody on the way could read it.",
                "Use an https address, or a server on this machine.",
            )
        if isinstance(self.wait, bool) or not isinstance(self.wait, (int, float)) or not self.wait > 0:
            raise BadOption("wait must be a number of seconds above 0.", f"The default is {WAIT:g}.")
        if isinstance(self.at_once, bool) or not isinstance(self.at_once, int) or not 1 <= self.at_once <= 1000:
            raise BadOption("at_once must be a whole number from 1 to 1000.", f"The default is {AT_ONCE}.")

    @property
    def host(self) -> str:
        """Host and port, as messages and outputs name the server."""
        return urlsplit(self.url).netloc

    @property
    def root(self) -> str:
        """The address without its "/v1"."""
        return self.url.removesuffix("/v1")

    @property
    def local(self) -> bool:
        """Whether the server is on this machine."""
        return is_local(self.url)

    @property
    def secret(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return is_secret(self.url)

    def key(self) -> str:
        """The key as the environment has it now; "" without `key_env`. Raises AccessDenied where it is not set."""
        if not self.key_env:
            return ""
        key = os.environ.get(self.key_env, "").strip()
        if not key:  # the name is not repeated: it may be a key that was given by mistake
            raise AccessDenied(f"The environment variable that key_env names for {self.host} is not set.", _KEY_EXAMPLE)
        if not key.isascii() or not key.isprintable():
            raise AccessDenied(f"The key for {self.host} has characters that no header can carry.", "Set it anew.")
        return key


@dataclass(frozen=True, slots=True)
class Served:
    """A model that a server lists: its id, its window and its number of parameters as far as the server says."""

    id: str
    window: int | None = None
    parameters: int = 0
    program: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The id without folders, where it is the path of a file."""
        return self.id.rpartition("/")[2] if self.id.startswith(("/", ".")) or self.id.endswith(".gguf") else self.id


def _base(url: object) -> str:
    """The base address that `url` means: "http://localhost:8000" is "http://localhost:8000/v1"."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadOption("The address of a server begins with http:// or https:// and names a host.", _EXAMPLE)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BadOption(
            "The address of a server holds no user, password, query or fragment.",
            "Put the key into an environment variable, and name that: key_env=…",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/') or '/v1'}"


def _split(url: object) -> SplitResult | None:
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:  # a port that is none
        return None
