"""What goes wrong with a server, each as one typed error in one sentence. No message holds the key."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ...protocol.errors import (
    AccessDenied,
    BadOption,
    BadReply,
    CompleteError,
    ConnectionLost,
    NoConnection,
    NoReply,
    PromptTooLong,
    RateLimited,
    Redirect,
    ServerError,
    ServerFailure,
    UnknownModel,
)
from ...protocol.phrases import shortened
from ...sources.server import Server
from .connection import CONNECT

KEEP = "The text so far is kept."
_AGAIN = "Run it again."
_CONTEXT = re.compile(r"context.{0,12}(length|size|window)|maximum context|exceed_context|too many tokens", re.I)
_MODEL_GONE = re.compile(r"model.{0,120}(not found|not exist|unknown|not loaded|no such)|model_not_found", re.I | re.S)
_LONGEST = 200  # characters of a server's own words


def of_exception(server: Server, error: Exception, begun: bool) -> CompleteError:
    """The error for what the HTTP client raised; `begun` says that a part of the answer had come."""
    if isinstance(error, CompleteError):
        return error
    host = server.host
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)):
        return _no_connection(host, error)
    if isinstance(error, (TimeoutError, httpx2.TimeoutException)):
        seconds = f"{server.wait:g} s"
        if begun:
            return NoReply(f"{host} sent nothing more for {seconds}.", f"{KEEP} Raise wait, or ask again.")
        return NoReply(f"{host} began no answer within {seconds}.", "Raise wait (jc.remote(…, wait=…)), or ask again.")
    if isinstance(error, httpx2.SSEError):
        return BadReply(f"{host} sent a line of more than 1 MB, or no event stream at all.", _hint(begun))
    if isinstance(error, httpx2.DecodingError):
        return BadReply(f"{host} sent compressed data that cannot be read.", _hint(begun))
    if isinstance(error, (httpx2.NetworkError, httpx2.RemoteProtocolError)):
        return lost(server, begun)
    return ServerError(f"The request to {host} failed ({type(error).__name__}).", _hint(begun))


def lost(server: Server, begun: bool) -> ConnectionLost:
    """The error for an answer that stopped before its end."""
    if begun:
        return ConnectionLost(f"{server.host} ended the connection in the middle of the answer.", _hint(begun))
    return ConnectionLost(f"{server.host} ended the connection before it answered.", _AGAIN)


def bad(server: Server, what: str, begun: bool) -> BadReply:
    """The error for an answer that is none of this protocol: `what` says how."""
    return BadReply(f"{server.host} sent {what}.", _hint(begun, "Check that the address is that of an OpenAI server."))


def of_response(server: Server, response: httpx2.Response, content: bytes) -> CompleteError:
    """The error for a response whose status is none of success."""
    if 300 <= response.status_code < 400:
        target = urlsplit(response.headers.get("location", "")).netloc.rpartition("@")[2]
        where = f" to {shortened(redacted(server, target), 80)}" if target else ""
        return Redirect(f"{server.host} redirects{where}, which is not followed.", "Give the address it points to.")
    return of_status(server, response.status_code, message_of(content), seconds_of(response.headers))


def of_status(server: Server, status: int, said: str, after: float | None = None, begun: bool = False) -> CompleteError:
    """The error for a status, in a response or in mid-stream, with the server's own words."""
    host, said = server.host, shortened(redacted(server, said), _LONGEST)
    quoted = f": {said.rstrip('.')}" if said else ""
    if status == 401:
        return AccessDenied(f"{host} {'refuses the key' if server.key_env else 'asks for a key'}{quoted}.", _key_hint())
    if status == 403:
        return AccessDenied(f"{host} forbids this request{quoted}.", "Ask who runs it for access to this model.")
    if _CONTEXT.search(said) and status in (0, 400, 413, 422, 500):
        return PromptTooLong(f"The text is longer than {host} accepts{quoted}.", "Shorten the prompt.")
    if _MODEL_GONE.search(said) or (status == 404 and "model" in said.lower()):
        return UnknownModel(f"{host} has no such model{quoted}.", f"%complete_model connect {server.url} lists them.")
    if status == 404:
        return BadReply(f"{host} has no such address{quoted}.", 'Check the address; it mostly ends in "/v1".')
    if status == 429:
        wish = f" and asks to wait {after:,.0f} s" if after else ""
        error = RateLimited(f"{host} has had too many requests{wish}{quoted}.", _hint(begun, "Wait, and run it again."))
        error.after = after
        return error
    if 400 <= status < 500:
        return BadOption(f"{host} refuses the request{quoted or f' (status {status})'}.", "Change what it names.")
    if status == 503:
        failure = ServerFailure(f"{host} is overloaded or not ready{quoted}.", _hint(begun, "Wait, and run it again."))
        failure.after = after
        return failure
    told = f"status {status}" if status else "an error"
    return ServerFailure(f"{host} failed ({told}){quoted}.", _hint(begun, "Its log says why."))


def of_error_object(server: Server, error: object, begun: bool) -> CompleteError:
    """The error for an `error` that came inside the answer."""
    status = error.get("code") if isinstance(error, Mapping) else None
    said = message_of(json.dumps({"error": error}).encode())
    return of_status(server, status if isinstance(status, int) else 0, said, begun=begun)


def message_of(content: bytes) -> str:
    """The server's own words in the body of an error; "" where there are none, or a web page."""
    text = content.decode("utf-8", "replace")
    try:
        said: Any = json.loads(text)
    except ValueError:
        return "" if "<" in text[:200] else " ".join(text.split())
    for _ in range(3):
        if isinstance(said, Mapping):
            said = next((said[name] for name in ("error", "message", "detail", "msg") if said.get(name)), "")
        elif isinstance(said, list) and said:
            said = said[0]
    return " ".join(said.split()) if isinstance(said, str) else ""


def seconds_of(headers: Mapping[str, str]) -> float | None:
    """The seconds that Retry-After asks for; None where it asks for nothing that can be read."""
    given = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(given)) if given else None
    except ValueError:
        pass
    try:
        import time

        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def redacted(server: Server, text: str) -> str:
    """A server's words without the key, which some repeat."""
    try:
        key = server.key()
    except CompleteError:
        key = ""
    return text.replace(key, "(key)") if key else text


def _no_connection(host: str, error: Exception) -> NoConnection:
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return NoConnection(f"{host} has no certificate that this machine trusts, or speaks no TLS.", _tls_hint())
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return NoConnection(f"There is no host {host}.", "Check the address, and the network.")
    if isinstance(error, httpx2.ConnectTimeout):
        return NoConnection(f"{host} took no connection within {CONNECT:g} s.", "Check the address, and the network.")
    if isinstance(error, httpx2.ProxyError):
        return NoConnection(f"The proxy let nothing through to {host}.", "Check the variable HTTPS_PROXY.")
    return NoConnection(f"{host} refuses the connection.", "Check that the server runs, and its port.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _hint(begun: bool, otherwise: str = _AGAIN) -> str:
    return f"{KEEP} {_AGAIN}" if begun else otherwise


def _key_hint() -> str:
    return "Put the right key into the environment variable that key_env names."


def _tls_hint() -> str:
    return "Check the address; a server of your own needs its certificate in SSL_CERT_FILE."
