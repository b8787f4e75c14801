"""What a server cannot do, said once: in status, in panels, and where it is asked for."""

from __future__ import annotations

from ...protocol.errors import BadOption
from ...protocol.request import Request
from .abilities import Abilities

SCORELESS = ("llama.cpp", "Ollama", "LM Studio")


def lacks(host: str, known: Abilities) -> tuple[tuple[str, str], ...]:
    """Names of options and features that a server does not have, and a sentence for each."""
    found = {
        "beams": f"{host} has no beam search.",
        "trace": f"{host} sends no logits, so there is no trace, and no reason why a candidate was cut.",
        "inside": f"{host} shows nothing of the model's inside.",
        "suffix": f"{host} is not asked to fill a gap.",
        "sampling": f"{host} does not say what sampling the model recommends.",
        "dry_run": f"{host} is not asked to split a text into tokens.",
    }
    if known.program in SCORELESS:
        found["score"] = f"{host} measures no given text ({known.program} has no echo)."
    if known.logprobs is False:
        found["inspect"] = f"{host} reports no tokens and no logprobs."
        found["score"] = f"{host} measures no given text."
    return tuple(found.items())


def check(host: str, known: Abilities, request: Request) -> None:
    """Raise BadOption where a request asks for what the server does not have."""
    wanted = {
        "beams": request.sampling.beams > 1,
        "trace": bool(request.trace),
        "suffix": bool(request.framing.suffix),
        "sampling": bool(request.recommended),
        "dry_run": request.mode == "preview",
        "score": request.mode == "score",
        "inspect": request.inspect,
    }
    for name, sentence in lacks(host, known):
        if wanted.get(name):
            raise BadOption(sentence, "Leave it out, or use a model that runs here.")
    if request.forced and any(isinstance(token, int) for token in request.forced):
        raise BadOption(f"{host} takes no token by its id.", "Give the token as a text.")
