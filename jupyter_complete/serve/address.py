"""Where the server of this user is: a file in Jupyter's runtime directory that only the user can read."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..protocol.errors import CompleteError

NAME = "jupyter_complete-serve"
VARIABLE = "JUPYTER_COMPLETE_SHARE"
TOKEN = "JUPYTER_COMPLETE_SHARE_TOKEN"
VERSION = 1  # of the private part of the protocol


@dataclass(frozen=True, slots=True)
class Address:
    """How a server is reached. Of `socket` (a path) and `url` one may be empty. `pid` is 0 for one given by its URL."""

    url: str
    token: str
    socket: str = ""
    pid: int = 0
    version: int = VERSION

    def __repr__(self) -> str:
        return f"Address(url={self.url!r}, socket={self.socket!r}, pid={self.pid})"  # never the token


def folder() -> Path:
    """Jupyter's runtime directory, which only its user can enter."""
    from jupyter_core.paths import jupyter_runtime_dir

    path = Path(jupyter_runtime_dir())
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def file() -> Path:
    """The file that tells where the server is."""
    return folder() / f"{NAME}.json"


def lock() -> Path:
    """The file that is locked while a server starts."""
    return folder() / f"{NAME}.lock"


def log() -> Path:
    """The file that a server writes to which a kernel started."""
    return folder() / f"{NAME}.log"


def write(address: Address) -> None:
    """Write the file, whole or not at all."""
    part = file().with_suffix(f".{os.getpid()}")
    with suppress(FileNotFoundError):
        part.unlink()
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(asdict(address), out)
    os.replace(part, file())


def remove(pid: int) -> None:
    """Remove the file and the socket if they are those of the process `pid`."""
    found = read()
    if found is not None and found.pid == pid:
        for path in (file(), Path(found.socket) if found.socket else None):
            if path is not None:
                path.unlink(missing_ok=True)


def read() -> Address | None:
    """The address in the file; None if there is none. Raises CompleteError for a file that others can read."""
    try:
        about = file().stat()
        if os.name == "posix" and (about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077):
            raise CompleteError(
                f"Others can read {file()}, so it is not used.", "Delete it, and start the server anew."
            )
        given = json.loads(file().read_text())
        return Address(**given)
    except (OSError, ValueError, TypeError):
        return None


def given() -> Address | None:
    """The server that JUPYTER_COMPLETE_SHARE names by its URL; None if it names none."""
    url = os.environ.get(VARIABLE, "")
    if "://" not in url:
        return None
    return Address(url.rstrip("/"), os.environ.get(TOKEN, ""))
