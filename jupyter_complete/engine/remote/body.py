"""A request as the JSON that a server gets: a text to continue, or messages to answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...protocol.errors import BadOption
from ...protocol.prompt_parts import Turn
from ...protocol.request import Request
from ...protocol.sampling import Sampling
from ...protocol.structure import Choices, JsonSchema, Regex, Structure
from . import gbnf
from .abilities import Abilities
from .replies import Json

OPTIONAL = frozenset({"stream_options", "logprobs", "top_logprobs", "seed", "samplers", "repeat_last_n", "min_p"})
"""Fields that are left out where a server refuses them."""

_RULE = ("penalties", "temperature", "top_k", "top_p", "min_p")  # the order of protocol/sampling.STEPS


@dataclass(frozen=True, slots=True)
class Call:
    """A path below "/v1", and what is posted to it. `chat` says that messages are answered; `adds` is the number of
    tokens in it that are for thinking."""

    path: str
    body: Json
    chat: bool = False
    adds: int = 0

    def without(self, names: Sequence[str]) -> Call:
        left = {name: value for name, value in self.body.items() if name not in names}
        return Call(self.path, left, self.chat, self.adds)


def call_of(request: Request, text: str, turns: Sequence[Turn], model: str, known: Abilities) -> Call:
    """The call for a settled prompt: its `text`, or the `turns` that end with it. Raises BadOption."""
    chat = bool(turns)
    adds = request.framing.think_tokens if chat and known.thinks and request.framing.think != "off" else 0
    body: Json = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    body |= _messages(request, turns, known) if chat else {"prompt": text + request.written}
    body["max_tokens"] = request.sampling.max_new_tokens + adds
    body |= _sampling(request.sampling, known, chosen=isinstance(request.structure, Choices))
    body |= _candidates(request.sampling.candidates, chat, known)
    if request.structure is not None:
        body |= _constraint(request.structure, chat, known)
    path = "chat/completions" if chat else "completions"
    return Call(path, body, chat, adds).without(sorted(known.left_out))


def score_of(request: Request, text: str, model: str) -> Call:
    """The call that measures a text: it is echoed with the logprob of each token."""
    body = {"model": model, "prompt": text, "max_tokens": 1, "temperature": 0, "echo": True}
    return Call("completions", {**body, "logprobs": max(1, min(request.sampling.candidates, 5)), "stream": False})


def _messages(request: Request, turns: Sequence[Turn], known: Abilities) -> Json:
    made: Json = {"messages": [{"role": turn.role, "content": turn.text} for turn in turns]}
    if request.written:
        made["messages"].append({"role": "assistant", "content": request.written})
        if known.program != "llama.cpp":  # which goes on with an assistant's message by itself
            made |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.framing.think != "auto":
        made["chat_template_kwargs"] = {"enable_thinking": request.framing.think == "on"}
    return made


def _sampling(sampling: Sampling, known: Abilities, chosen: bool) -> Json:
    if chosen or sampling.greedy:
        made: Json = {"temperature": 0}
    else:
        made = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    if sampling.seed is not None and not sampling.greedy:
        made["seed"] = sampling.seed % 2**31 if known.program == "llama.cpp" else sampling.seed
    if sampling.stop:
        made["stop"] = list(sampling.stop)
    penalty = {"repetition_penalty": sampling.repetition_penalty}
    own: Json = {"top_k": sampling.top_k, "min_p": sampling.min_p, **penalty}
    if known.program == "llama.cpp":
        own |= {"repeat_penalty": own.pop("repetition_penalty"), "repeat_last_n": -1, "samplers": list(_RULE)}
    elif known.full:
        own["top_k"] = sampling.top_k or -1
    else:  # a server that knows none of them may refuse the fields
        neutral = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
        own = {name: value for name, value in own.items() if value != neutral[name]}
    return made | own


def _candidates(number: int, chat: bool, known: Abilities) -> Json:
    if not number or known.logprobs is False:
        return {}
    most = min(number, known.most_top)
    return {"logprobs": True, "top_logprobs": most} if chat else {"logprobs": most}


def _constraint(form: Structure, chat: bool, known: Abilities) -> Json:
    """The server's own option that holds a text to `form`; raises BadOption where it has none."""
    if known.program == "llama.cpp":
        return _llama(form, chat)
    if known.program in ("vLLM", "jupyter_complete"):
        return {"structured_outputs": _outlined(form)}
    if known.program == "SGLang" and not isinstance(form, JsonSchema):
        return {"regex": form.pattern if isinstance(form, Regex) else "|".join(map(_quoted, form.texts))}
    if isinstance(form, JsonSchema) and (chat or known.program == "SGLang"):
        return _response_format(form)
    what = {Choices: "choices", Regex: "a regex", JsonSchema: "a JSON schema"}[type(form)]
    more = ", or add --chat" if isinstance(form, JsonSchema) else ""
    raise BadOption(f"This server has no option for {what} that is known.", f"Use a model that runs here{more}.")


def _llama(form: Structure, chat: bool) -> Json:
    if isinstance(form, JsonSchema):
        return _response_format(form) if chat else {"json_schema": json.loads(form.schema)}
    return {"grammar": gbnf.of_regex(form.pattern) if isinstance(form, Regex) else gbnf.of_choices(form.texts)}


def _outlined(form: Structure) -> dict[str, Any]:
    if isinstance(form, JsonSchema):
        return {"json": json.loads(form.schema)}
    return {"regex": form.pattern} if isinstance(form, Regex) else {"choice": list(form.texts)}


def _response_format(form: JsonSchema) -> Json:
    schema = {"name": "answer", "schema": json.loads(form.schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _quoted(text: str) -> str:
    import re

    return re.escape(text)
