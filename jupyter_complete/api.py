"""The Python verbs: what `import jupyter_complete as jc` offers, on the session of this kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Unpack

from .notebook import screen
from .notebook.waiting import watch
from .protocol.engine import Engine
from .protocol.errors import BadOption
from .protocol.events import ModelInfo
from .protocol.options import KV, Dtype, Options
from .protocol.signatures import takes
from .results.completion import Completion
from .session.residents import Unloaded
from .session.resolve import call_options
from .session.session import Session, current
from .session.stream import Stream, hold_interrupts
from .sources.server import AT_ONCE, WAIT, Server

if TYPE_CHECKING:
    from .results.comparison import Comparison
    from .results.trace import Trace
    from .session.inside import Inside


@dataclass(frozen=True)
class Model:
    """A resident model, with the verbs of this module for this model only."""

    name: str
    session: Session = field(repr=False)

    @property
    def info(self) -> ModelInfo | None:
        """The weights that are loaded; None if the model is not resident."""
        return self._engine.info if self._engine else None

    @property
    def model(self) -> Any:
        """The transformers model itself. While a variable refers to it, `unload` cannot free its memory.

        Raises BadOption for int8 weights, which only the compiled step can read.
        """
        model: Any = self._engine.model if self._engine else None
        if model is not None and model.device.type == "meta":  # its weights are elsewhere
            raise BadOption(
                f"{self.name} is int8, which transformers cannot run.",
                f'Load it for that with jc.load("{self.name}", dtype="float32").',
            )
        return model

    @property
    def tokenizer(self) -> Any:
        """The transformers tokenizer itself."""
        return self._engine.tokenizer if self._engine else None

    @property
    def _engine(self) -> Engine | None:
        resident = self.session.models.get(self.name)
        return resident.engine if resident else None

    @takes(Options, without=("model",))
    def complete(self, prompt: str, **options: Unpack[Options]) -> Completion:
        """Complete `prompt` with this model; see jupyter_complete.complete."""
        return complete(prompt, **self._own(options))

    @takes(Options, without=("model",))
    def stream(self, prompt: str, **options: Unpack[Options]) -> Iterator[str]:
        """Stream the completion of `prompt`; see jupyter_complete.stream."""
        return stream(prompt, **self._own(options))

    @takes(Options, without=("model", "score"))
    def score(self, text: str, **options: Unpack[Options]) -> Completion:
        """Score `text` with this model; see jupyter_complete.score."""
        return score(text, **self._own(options))

    def _own(self, options: Options) -> Options:
        return {**options, "model": self.name}

    def unload(self) -> Unloaded:
        """Unload the model. The result says how much memory was freed and who still refers to the model."""
        return self.session.models.unload(self.name, self.session.namespace)


def load(name: str | PathLike[str] = "", dtype: Dtype = "auto", device: str = "auto", kv: KV = "auto") -> Model:
    """Load a model and wait until it is ready. Without a name, load the default model.

    `name` is a name of the catalogue, a directory, a .gguf file or a hub id. `dtype` is auto, float32, bfloat16,
    float16 or int8; auto chooses by device. `kv` is the type of the KV cache: auto, float32, bfloat16 or int8; auto
    chooses by length and memory. Raises a ModelError that says what to do.
    """
    session = current()
    settings = session.config.checked({"dtype": dtype, "device": device, "kv": kv})
    name = fspath(name) or session.config.model
    screen.wait(session.models.load(name, *session.config.loading(settings)))
    return Model(name, session)


def register(name: str, model: object, tokenizer: object) -> Model:
    """Make `name` stand for a transformers model and tokenizer that are in memory already."""
    session = current()
    session.models.register(name, model, tokenizer)
    return Model(name, session)


def remote(
    url: str, model: str | None = None, *, name: str = "", key_env: str = "", wait: float = WAIT, at_once: int = AT_ONCE
) -> Model:
    """Connect to a model on an OpenAI-compatible server, so that its name works like that of any other model.

    `url` is the address up to "/v1". Without `model`, the server's only model is meant. `name` is the name of the model
    here; without it, it is that of the server. `key_env` names the environment variable that holds the key. A request
    fails after `wait` seconds without a sign of the answer, and `at_once` rows are sent at the same time. Raises a
    ServerError, UnknownModel or BadOption.
    """
    session, server = current(), Server(url, key_env, wait, at_once)
    name = name or model or server.host
    session.models.add_remote(name, server, model or "")
    screen.wait(session.models.load(name, "auto", "auto"))
    return Model(name, session)


@takes(Options)
@hold_interrupts()
def complete(prompt: str, **options: Unpack[Options]) -> Completion:
    """Complete `prompt` and return the Completion.

    The options are those of %%complete, by their long names with underscores (`max_new_tokens`). An interrupt raises
    Interrupted, a KeyboardInterrupt; `last()` then returns the partial completion.
    """
    return _begun(prompt, options).result(watch)


@takes(Options)
def stream(prompt: str, **options: Unpack[Options]) -> Iterator[str]:
    """Yield the text of the completion as it is generated. The pieces join to `last().text`.

    The options are those of `complete`. Leaving the loop stops the model.
    """
    return _begun(prompt, options).deltas()


@takes(Options, without=("score",))
@hold_interrupts()
def score(text: str, **options: Unpack[Options]) -> Completion:
    """Measure how likely `text` is. Its `prompt_tokens` hold logprob and rank; `perplexity` summarises them."""
    return _begun(text, {**options, "score": True}).result(watch)


@takes(Options, without=("trace",))
def inside(what: str | Completion | Trace, **options: Unpack[Options]) -> Inside:
    """Open the inside view of a prompt, a completion or a trace.

    A prompt is completed first, with these options and a trace. A trace that was read from a file gives the answers
    that were saved with it, and further answers if its model is resident. Raises BadOption for a completion without a
    trace.
    """
    from .results.trace import Trace
    from .session.inside import Inside, of

    if isinstance(what, Trace):
        return Inside(what, current())
    traced: Options = {**options, "trace": True}
    return of(what if isinstance(what, Completion) else complete(what, **traced), current())


@takes(Options, without=("score",))
def compare(first: str, second: str, **options: Unpack[Options]) -> Comparison:
    """Score two texts with one model and show them side by side: which is more likely, and at which words."""
    from .results.comparison import Comparison

    return Comparison(score(first, **options), score(second, **options))


def last() -> Completion | None:
    """Return the newest completion of this kernel; None before the first one."""
    return current().last


def last_frame() -> Any:
    """Return the newest frame of `complete_frame`, whole or as far as an interrupt let it come; None without one."""
    return current().frame


def task(name: str, template: str, **settings: object) -> None:
    """Add a task of your own to this kernel, for `--task NAME`. It may replace a task of the same name.

    In `template`, {{ text }} stands for the text of the cell, and {{ to }}, {{ from }} and {{ question }} for these
    options. It may have one section for each kind of model, as the file of a task does. `settings` are a
    `description`, sampling options (temperature, stop, …) and defaults for placeholders. Raises BadOption.
    """
    current().tasks.add(name, template, **settings)


def _begun(prompt: str, options: Options) -> Stream:
    """Submit a prompt to the session, with options as Python gives them."""
    asked, session = call_options(options), current()
    session.watch = watch
    return session.stream(prompt, mode=session.config.mode(asked), **asked)
