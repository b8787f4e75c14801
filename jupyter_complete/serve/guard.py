"""Who may ask the server: every request passes these checks before its body is read."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler, stream_request_body

from ..protocol.errors import BadOption, CompleteError
from .host import Host, error_body

LARGEST_BODY = 32 * 2**20  # bytes
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names in a Host header that mean this machine. A page of another name that points here is refused."""


@stream_request_body
class Guarded(RequestHandler):
    """A handler behind the checks: the Host header, the Origin header, the token, and the size of the body."""

    def initialize(self, host: Host, token: str) -> None:
        self.host = host
        self._token = token
        self._body = bytearray()

    def prepare(self) -> None:
        refused = self._refusal()
        if refused is not None:
            self.refuse(*refused)

    def _refusal(self) -> tuple[int, CompleteError] | None:
        """Why a request is refused by its headers."""
        headers = self.request.headers
        name = headers.get("Host", "").rpartition(":")[0] or headers.get("Host", "")
        allowed = LOCAL | self.host.proxies
        if name.lower() not in allowed and headers.get("Host", "").lower() not in allowed:
            return 403, BadOption("This server answers to localhost only.", "Use the address that its file names.")
        if headers.get("Origin") is not None:
            return 403, BadOption("This server answers programs and not web pages.", "Leave out the Origin header.")
        given = headers.get("Authorization", "").removeprefix("Bearer ").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._token.encode()):
            return 401, BadOption("The token is not this server's.", "Send it as 'Authorization: Bearer TOKEN'.")
        if int(headers.get("Content-Length") or 0) > LARGEST_BODY:
            return self._too_large()
        return None

    @staticmethod
    def _too_large() -> tuple[int, CompleteError]:
        return 413, BadOption(f"The request is larger than {LARGEST_BODY // 2**20} MB.", "Send it in parts.")

    def data_received(self, chunk: bytes) -> None:
        if self._finished:
            return
        self._body += chunk
        if len(self._body) > LARGEST_BODY:
            self.refuse(*self._too_large())

    def body(self) -> Mapping[str, Any]:
        """The body as a JSON object. Raises BadOption."""
        try:
            value = json.loads(bytes(self._body) or b"{}")
        except (ValueError, RecursionError):
            raise BadOption("The body is no JSON.", "Send a JSON object.") from None
        if not isinstance(value, dict):
            raise BadOption("The body is no JSON object.", "Send a JSON object.")
        return value

    def refuse(self, status: int, error: CompleteError) -> None:
        """End the request with one sentence."""
        self.set_status(status)
        self.set_header("Connection", "close")
        self.finish(error_body(error))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, CompleteError):
            self.set_status(400)
            self.finish(error_body(error))
            return
        said = "This address takes another method." if status_code == 405 else f"The server failed ({status_code})."
        self.finish(error_body(CompleteError(said, "docs/serve.md lists the addresses.")))

    def log_exception(self, *raised: Any) -> None:
        if not isinstance(raised[1], CompleteError | StreamClosedError):  # a client that went away is no fault
            super().log_exception(*raised)


class Nothing(Guarded):
    """Every other address."""

    def prepare(self) -> None:
        super().prepare()
        if not self._finished:
            self.refuse(404, CompleteError("There is nothing at this address.", "docs/serve.md lists the addresses."))
