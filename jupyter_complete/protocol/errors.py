"""All errors of this package, in one tree. A notebook shows each error as two lines.

CompleteError
  BadOption            an option has a value that is not accepted
  BadPrompt
    EmptyPrompt        the prompt has no text
    PromptTooLong      the prompt does not fit the model's window
  ModelError
    UnknownModel       no source has a model of this name
    NotAModel          the path does not contain a readable model
    UnsafeModel        pickled weights, or a model that wants to run its own code
    FetchFailed        the download failed, was cut short, or has the wrong sha256
    DoesNotFit         memory or disk is too small, which is checked before weights are read
  ServerError          a server that runs a model did not answer as it should
    NoConnection       the server was not reached: refused, unknown host, TLS
    AccessDenied       the server refuses the key, or asks for one
    RateLimited        the server asks to wait longer than we wait
    ServerFailure      the server says that it failed or is overloaded
    NoReply            the server sent nothing for too long
    ConnectionLost     the connection ended before the answer did
    BadReply           the answer is not what the protocol asks for
    Redirect           the server points to another address
  NotATrace            the file does not contain a readable trace
  OutOfMemory          memory ran out while loading or generating
  Stopped              the work was stopped before there was a result
  WorkerDied           the model's thread ended without an answer

Each error has a `hint` that says what to do. Interrupted stands outside the tree: it is a KeyboardInterrupt.
"""

from __future__ import annotations

from .phrases import shortened, visible


class CompleteError(Exception):
    """Base class of all errors of this package. `message` says what happened, `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        # a name of a column, a model or a file, and what a server says, may hold codes that a terminal obeys
        self.message, self.hint = (visible(said).replace("\n", "\N{SYMBOL FOR LINE FEED}") for said in (message, hint))
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def _render_traceback_(self) -> list[str]:
        """The lines a notebook prints instead of a traceback."""
        lines = [f"{type(self).__name__}: {self.message}"]
        if self.hint:
            lines.append(f"  → {self.hint}")
        return lines


class Interrupted(KeyboardInterrupt):
    """An interrupt that kept what there was, and that a notebook shows as one line. `message` says what is kept."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def _render_traceback_(self) -> list[str]:
        """The line a notebook prints instead of a traceback."""
        return [f"Interrupted: {self.message}"]


def raised(error: BaseException) -> str:
    """Describe an error of another library in a few words: `KeyError: 'text'`. Its own str() may fail."""
    try:
        said = " ".join(str(error)[:2000].split()).rstrip(".")
    except (Exception, SystemExit):
        said = ""
    return f"{type(error).__name__}: {shortened(said, 200)}" if said else type(error).__name__


class BadOption(CompleteError, ValueError): ...


class BadPrompt(CompleteError, ValueError): ...


class EmptyPrompt(BadPrompt): ...


class PromptTooLong(BadPrompt): ...


class ModelError(CompleteError): ...


class UnknownModel(ModelError, LookupError): ...


class NotAModel(ModelError): ...


class UnsafeModel(ModelError): ...


class FetchFailed(ModelError): ...


class DoesNotFit(ModelError): ...


class ServerError(CompleteError):
    """What a server did wrong. `after` is the number of seconds that it asks to wait, where it says so."""

    after: float | None = None


class NoConnection(ServerError, ConnectionError): ...


class AccessDenied(ServerError): ...


class RateLimited(ServerError): ...


class ServerFailure(ServerError): ...


class NoReply(ServerError, TimeoutError): ...


class ConnectionLost(ServerError, ConnectionError): ...


class BadReply(ServerError): ...


class Redirect(ServerError): ...


class NotATrace(CompleteError): ...


class OutOfMemory(CompleteError): ...


class Stopped(CompleteError): ...


class WorkerDied(CompleteError): ...
