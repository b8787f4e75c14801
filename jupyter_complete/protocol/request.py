"""What is asked of a model: a frozen value, complete in itself. Bounds and defaults live in config.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import BadOption
from .prompt_parts import Composed
from .sampling import Sampling
from .structure import Choices, Structure

Mode = Literal["continue", "score", "preview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a text is put to the model, as it was asked for: the names and values of options."""

    chat: bool = False
    thread: str = ""
    task: str = ""
    to: str = ""
    from_: str = ""
    question: str = ""
    length: str = ""
    raw: bool = False
    context: int = 0
    error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: a prompt and how to go on from it.

    `composed`, when given, is what `prompt`, the text as typed, is put to the model as, and `framing` how that was
    asked for, `beneath` the options that its task sets where no other was asked for. `model` is the name it was asked
    of; `prompt_ids`, when given, is used as it is instead of encoding `prompt`; `prefix` holds ids already decoded
    after the prompt, from which the continuation goes on, and `forced` the tokens it begins with instead of choosing:
    ids, or texts of one token each. `mode` "score" measures the prompt's own tokens, "preview" only encodes it;
    `inspect` measures them and continues. `lookup` allows guesses at tokens that repeat the text; `structure` is the
    form that the text shall have, `trace` how many bytes may be used to record what every token was chosen from.
    """

    prompt: str
    sampling: Sampling
    framing: Framing = Framing()
    composed: Composed | None = field(default=None, hash=False)
    beneath: Mapping[str, Any] = field(default_factory=dict, hash=False)
    mode: Mode = "continue"
    model: str = ""
    prompt_ids: tuple[int, ...] | None = None
    prefix: tuple[int, ...] = ()
    forced: tuple[int | str, ...] = ()
    inspect: bool = False
    lookup: bool = True
    structure: Structure | None = None
    trace: int = 0

    def __post_init__(self) -> None:
        if self.structure is None:
            return
        if self.mode == "score":
            raise BadOption("A text that is scored is given, so it takes no form.", "Leave out --score, or the form.")
        if self.sampling.beams > 1 and not isinstance(self.structure, Choices):
            raise BadOption("Beams cannot be held to a regex or a schema.", "Leave out --beams.")
