"""What a model is asked to do: one frozen value. Bounds and defaults are in config.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import BadOption
from .phrases import shortened
from .prompt_parts import Composed, Think, Turn
from .sampling import Sampling
from .structure import Choices, Structure

Mode = Literal["continue", "score", "preview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The options that say how a text is put to the model: as a chat message, by a task, after earlier cells, before a
    `suffix`.

    `think` says whether the model thinks before it answers a message, in at most `think_tokens` tokens.
    """

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
    suffix: str = ""
    think: Think = "auto"
    think_tokens: int = 1024

    @property
    def answers(self) -> bool:
        """Whether the text is answered, and not continued."""
        return bool(self.chat or self.thread or self.task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a model: a prompt and how to continue it.

    prompt      the text as typed
    sampling    how tokens are chosen
    framing     how the text is put to the model, as the options say
    composed    the prompt that still has to be settled by the engine; None if `prompt` is sent as it is
    beneath     options that the task sets; options of the user take precedence
    mode        "continue", "score" (measure the tokens of the prompt) or "preview" (encode the prompt only)
    model       the name of the model
    prompt_ids  token ids to use instead of encoding `prompt`
    unfinished  `prompt_ids` end inside the model's thinking, which goes on
    thought     the number of tokens of that thinking, which count for its limit
    prefix      ids that were decoded after the prompt earlier; the continuation begins behind them
    forced      the first tokens of the continuation, which are given: ids, or texts of one token each
    inspect     measure the tokens of the prompt too
    lookup      allow guesses at tokens where the text repeats itself
    structure   the form of the text: choices, a regex or a JSON schema
    trace       maximum number of bytes for a trace; 0 records none
    recommended names of sampling settings for which the model's own recommendation counts, where it has one
    quiet       the footer leaves out what differs from run to run
    host        the server that the text is sent to; "" where the model runs here
    written     the text that was decoded earlier, for a server, which takes no ids; the continuation follows it
    turns       the messages that `written` answers, for a server
    """

    prompt: str
    sampling: Sampling
    framing: Framing = Framing()
    composed: Composed | None = field(default=None, hash=False)
    beneath: Mapping[str, Any] = field(default_factory=dict, hash=False)
    mode: Mode = "continue"
    model: str = ""
    prompt_ids: tuple[int, ...] | None = None
    unfinished: bool = False
    thought: int = 0
    prefix: tuple[int, ...] = ()
    forced: tuple[int | str, ...] = ()
    inspect: bool = False
    lookup: bool = True
    structure: Structure | None = None
    trace: int = 0
    recommended: tuple[str, ...] = ()
    quiet: bool = False
    host: str = ""
    written: str = ""
    turns: tuple[Turn, ...] = ()

    @property
    def speaker(self) -> str:
        """The model's name where it answers, which tells its words from ours; empty where it continues a text."""
        return shortened(self.model.rstrip("/").rpartition("/")[2]) if self.framing.answers else ""

    def __post_init__(self) -> None:
        if self.structure is None:
            return
        if self.mode == "score":
            raise BadOption("A text that is scored is given, so it takes no form.", "Leave out --score, or the form.")
        if self.sampling.beams > 1 and not isinstance(self.structure, Choices):
            raise BadOption("Beams cannot be held to a regex or a schema.", "Leave out --beams.")
