"""What a server is and can do: found by a few requests when it is connected, and by what its answers hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event as StopEvent
from typing import Any

from ...protocol.errors import AccessDenied, BadReply, CompleteError, NoConnection, UnknownModel
from ...sources.server import Served, Server
from . import replies
from .connection import Connection
from .replies import Json

_OWNERS = {
    "llamacpp": "llama.cpp",
    "vllm": "vLLM",
    "sglang": "SGLang",
    "library": "Ollama",
    "organization_owner": "LM Studio",
    "organization-owner": "LM Studio",
    "jupyter_complete": "jupyter_complete",
}
FULL = frozenset({"llama.cpp", "vLLM", "SGLang", "jupyter_complete"})
"""Programs that take every sampling setting, and that have constraints and token counts."""


@dataclass(slots=True)
class Abilities:
    """What is known of one model on one server; answers teach more.

    program   the server's program, "" where it is not known
    window    tokens of prompt and completion together
    logprobs  whether it reports tokens with their logprobs; None before the first answer
    most_top  maximum number of candidates a token may have
    thinks    whether the model thinks before it answers a message; None before the first answer
    left_out  names of fields that the server refused
    """

    program: str = ""
    window: int | None = None
    parameters: int = 0
    logprobs: bool | None = None
    most_top: int = 20
    thinks: bool | None = None
    template: bool = True
    left_out: set[str] = field(default_factory=set)

    @property
    def full(self) -> bool:
        return self.program in FULL


async def served(connection: Connection) -> list[Served]:
    """The models that a server lists. Raises a CompleteError."""
    listed = (await replies.whole(connection, "models")).get("data")
    if not isinstance(listed, list):
        raise BadReply(f"{connection.server.host} lists no models.", "Check that the address ends in /v1.")
    return [_served(one) for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]


def list_models(server: Server, stop: StopEvent) -> list[Served]:
    """The models of a server. Raises a CompleteError."""
    server.key()  # which is missing before anything is sent
    connection = Connection(server)
    return connection.run(served(connection), stop)


async def discover(connection: Connection, model: str) -> tuple[str, Abilities]:
    """The id of the model that `model` means on a server, and what the server says of it. An empty name means the only
    model. Raises a CompleteError; UnknownModel where a choice is needed."""
    listed = await _listed(connection, model)
    one = _pick(connection.server, listed, model)
    found = Abilities(program=one.program, window=one.window, parameters=one.parameters)
    if one.program == "llama.cpp":
        await _ask_llama(connection, found)
    return one.id, found


async def _listed(connection: Connection, model: str) -> list[Served]:
    """The list, or nothing where a server has none and the model is named."""
    try:
        return await served(connection)
    except (TimeoutError, NoConnection, AccessDenied):
        raise
    except CompleteError:
        if model:
            return []
        raise


def _pick(server: Server, listed: list[Served], model: str) -> Served:
    if model:
        named = [one for one in listed if model in (one.id, one.short, *one.aliases)]
        other = Served(model, program=listed[0].program if listed else "")
        return named[0] if named else other  # some servers list only a part of what they have
    if len(listed) == 1:
        return listed[0]
    names = ", ".join(one.id for one in listed[:8]) + ", …" * (len(listed) > 8)
    raise UnknownModel(f"{server.host} has {len(listed)} models: {names or 'none'}.", "Name one of them.")


def _served(one: Mapping[str, Any]) -> Served:
    meta: Mapping[str, Any] = given if isinstance(given := one.get("meta"), dict) else {}
    owner = _OWNERS.get(str(one.get("owned_by", "")), "")
    sizes = (one.get("max_model_len"), meta.get("n_ctx"), one.get("context_length"), one.get("context_window"))
    aliases = one.get("aliases")
    return Served(
        one["id"],
        window=next((size for size in sizes if isinstance(size, int) and size > 0), None),
        parameters=_whole(meta.get("n_params")),
        program=owner,
        aliases=tuple(map(str, aliases)) if isinstance(aliases, list) else (),
    )


async def _ask_llama(connection: Connection, found: Abilities) -> None:
    """What llama.cpp's server says of itself: the window of a request, and whether the template lets a model think."""
    try:
        props: Json = await replies.whole(connection, "/props")
    except CompleteError:
        return
    settings = props.get("default_generation_settings")
    size = settings.get("n_ctx") if isinstance(settings, dict) else None
    found.window = _whole(size) or found.window
    template = props.get("chat_template")
    if isinstance(template, str) and template:
        found.thinks = any(mark in template for mark in ("enable_thinking", "<think>", "reasoning_content"))


def _whole(number: object) -> int:
    return number if isinstance(number, int) and number > 0 else 0
