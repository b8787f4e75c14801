"""Bodies of the OpenAI protocol as requests of ours. What cannot be done is refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..protocol.errors import BadOption
from ..protocol.prompt_parts import Turn
from ..protocol.request import Mode, Request
from ..session.session import Session

OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "n": "num",
    "top_k": "top_k",
    "min_p": "min_p",
}
"""Names of the protocol that are options of ours, and the two that vLLM and llama.cpp added to it."""

NEUTRAL = {"frequency_penalty": 0, "presence_penalty": 0, "best_of": 1, "logit_bias": {}, "suffix": "", "tools": []}
"""What is not offered, with the value that asks for nothing."""

DEFAULT_TOKENS = {"completions": 16, "chat": 1024}
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a body asks for: the requests, and how their answers are written."""

    model: str
    requests: tuple[Request, ...]
    chat: bool
    stream: bool
    usage: bool  # a stream ends with its usage
    logprobs: int | None  # candidates of each token; None without logprobs
    echo: bool = False


def completions(body: Mapping[str, Any], session: Session) -> Asked:
    """Read a body of /v1/completions. Raises BadOption or BadPrompt."""
    options, logprobs = _options(body, session, "completions"), body.get("logprobs")
    logprobs = None if logprobs is None or logprobs is False else int(logprobs)
    prompts = body.get("prompt")
    texts: list[Any] = prompts if isinstance(prompts, list) else [prompts]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise BadOption("prompt is a text or a list of texts.", "Send token ids as text.")
    mode: Mode = "continue"
    echo = bool(body.get("echo"))
    if echo and body.get("max_tokens") == 0:
        mode, options = "score", {**options, "max_new_tokens": 1}
    elif echo and logprobs is not None:
        options = {**options, "inspect": True}
    made = tuple(session.request(text, mode, **_with_candidates(options, logprobs)) for text in texts)
    return _asked(body, made, False, logprobs, echo)


def chat(body: Mapping[str, Any], session: Session) -> Asked:
    """Read a body of /v1/chat/completions. Raises BadOption or BadPrompt."""
    options = _options(body, session, "chat")
    logprobs = int(body.get("top_logprobs") or 0) if body.get("logprobs") else None
    turns = [_turn(message) for message in _list(body, "messages")]
    if not turns or turns[-1].role != "user":
        raise BadOption("The last message is not the user's.", "End messages with one whose role is user.")
    options |= {"chat": True, **_form(body)}
    earlier = ((), tuple(turns[:-1]))
    made = session.request(turns[-1].text, earlier=earlier, **_with_candidates(options, logprobs))
    return _asked(body, (made,), True, logprobs)


def _asked(
    body: Mapping[str, Any], made: tuple[Request, ...], chat: bool, logprobs: int | None, echo: bool = False
) -> Asked:
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return Asked(made[0].model, made, chat, bool(body.get("stream")), usage, logprobs, echo)


def _options(body: Mapping[str, Any], session: Session, kind: str) -> dict[str, Any]:
    for name, neutral in NEUTRAL.items():
        if body.get(name) not in (None, neutral):
            raise BadOption(f"{name} is not offered.", "Leave it out.")
    options = {ours: body[theirs] for theirs, ours in OPTIONS.items() if body.get(theirs) is not None}
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    options["max_new_tokens"] = limit or DEFAULT_TOKENS[kind]
    stop = body.get("stop")
    options["stop"] = [stop] if isinstance(stop, str) else stop or []
    options.setdefault("temperature", 1.0)
    options.setdefault("top_p", 1.0)
    options["model"] = body.get("model") or session.config.model
    return options


def _with_candidates(options: dict[str, Any], logprobs: int | None) -> dict[str, Any]:
    return {**options, "candidates": logprobs or 0}


def _turn(message: Any) -> Turn:
    role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
    if isinstance(content, list):
        if not all(isinstance(part, dict) and part.get("type") == "text" for part in content):
            raise BadOption("A message has a part that is no text.", "This server reads text only.")
        content = "".join(str(part.get("text", "")) for part in content)
    if role not in ROLES or not isinstance(content, str):
        raise BadOption("A message has a role (system, user, assistant) and a content.", "Send both as texts.")
    return Turn(ROLES[role], content)  # type: ignore[arg-type]  # the values of ROLES are roles


def _form(body: Mapping[str, Any]) -> dict[str, Any]:
    """The form of the answer, where response_format asks for one."""
    form = body.get("response_format") or {}
    kind = form.get("type", "text") if isinstance(form, dict) else None
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"json": json.dumps({"type": "object"})}
    if kind == "json_schema" and isinstance(form.get("json_schema"), dict):
        return {"json": json.dumps(form["json_schema"].get("schema", {}))}
    raise BadOption(f"response_format {kind!r} is not offered.", "Use text, json_object or json_schema.")


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list):
        raise BadOption(f"{name} is a list.", "See the OpenAI protocol.")
    return value
