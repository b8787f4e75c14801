"""A given text measured by a server that echoes it with the logprob of each token."""

from __future__ import annotations

import time
from dataclasses import replace

from ...protocol.errors import BadOption
from ...protocol.events import Finish, Step, Timing, Usage
from ...protocol.request import Request
from . import faults, replies
from .body import score_of
from .reading import steps_of
from .target import Target


async def scored(target: Target, request: Request, text: str, started: float) -> Finish:
    """The end of a request whose text is measured. Raises BadOption where the server does not measure it: what an
    answer holds counts, because some servers ignore `echo`."""
    server = target.server
    call = score_of(request, text, target.served)
    reply = await replies.whole(target.connection, call.path, call.body)
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise faults.bad(server, "an answer without choices", begun=False)
    steps = _within(steps_of(server, choices[0]), text)
    if not steps:
        raise BadOption(f"{server.host} measures no given text: it does not echo it.", "Use a model that runs here.")
    timing = Timing(total_s=time.perf_counter() - started)
    return Finish(("stop",), ("",), Usage(len(steps)), timing, target.info, prompt_steps=tuple(steps))


def _within(steps: list[Step], text: str) -> list[Step]:
    """The steps that spell `text`; none where they do not begin with it."""
    spelled, kept = "", list[Step]()
    for step in steps:
        if len(spelled) >= len(text):
            break
        spelled += step.text
        kept.append(step)
    if spelled != text or not any(step.logprob is not None for step in kept):
        return []
    return [replace(kept[0], logprob=None, rank=None), *kept[1:]]
