"""The Python face: what `import jupyter_complete as jc` offers, on the kernel's session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Unpack

from .notebook.screen import wait
from .protocol.engine import Engine
from .protocol.errors import BadOption
from .protocol.events import ModelInfo
from .protocol.options import Dtype, Options
from .results.completion import Completion
from .session.residents import Unloaded
from .session.resolve import given
from .session.session import Session, current
from .session.stream import Stream, holding_interrupts

if TYPE_CHECKING:
    from .results.comparison import Comparison
    from .results.trace import Trace
    from .session.inside import Inside


@dataclass(frozen=True)
class Model:
    """A resident model by name, with the verbs that concern it."""

    name: str
    session: Session = field(repr=False)

    @property
    def info(self) -> ModelInfo | None:
        """Which weights these are; None when they are not loaded (any more)."""
        return self._engine.info if self._engine else None

    @property
    def model(self) -> Any:
        """The transformers model itself, to look into; while a variable holds it, unload cannot free it.

        Raises BadOption for int8 weights that only the compiled step can read.
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

    def complete(self, prompt: str, **options: Unpack[Options]) -> Completion:
        """The completion of `prompt` by this model; see jupyter_complete.complete."""
        return complete(prompt, **self._own(options))

    def stream(self, prompt: str, **options: Unpack[Options]) -> Iterator[str]:
        """The completion's text as it comes; see jupyter_complete.stream."""
        return stream(prompt, **self._own(options))

    def score(self, text: str, **options: Unpack[Options]) -> Completion:
        """How likely `text` is to this model; see jupyter_complete.score."""
        return score(text, **self._own(options))

    def _own(self, options: Options) -> Options:
        return {**options, "model": self.name}

    def unload(self) -> Unloaded:
        """Give the memory back; tells who still holds it."""
        return self.session.models.unload(self.name, self.session.namespace)


def load(name: str | PathLike[str] = "", dtype: Dtype = "auto", device: str = "auto") -> Model:
    """Make a model resident (the default one without a name) and wait until it is ready.

    `name` is a catalogued name, a directory, a .gguf file or a hub id, `dtype` one of auto, float32, bfloat16, float16.
    Raises a ModelError that says what to do.
    """
    session = current()
    settings = session.config.checked({"dtype": dtype, "device": device})
    name = fspath(name) or session.config.model
    wait(session.models.load(name, settings["dtype"], settings["device"]))
    return Model(name, session)


def register(name: str, model: Any, tokenizer: Any) -> Model:
    """Let `name` mean a transformers model and tokenizer that are in memory already."""
    session = current()
    session.models.register(name, model, tokenizer)
    return Model(name, session)


@holding_interrupts()
def complete(prompt: str, **options: Unpack[Options]) -> Completion:
    """The completion of `prompt`. Options are those of %%complete, by their long names with underscores.

    An interrupt raises KeyboardInterrupt; the partial completion is `last()`.
    """
    return _begun(prompt, options).result()


def stream(prompt: str, **options: Unpack[Options]) -> Iterator[str]:
    """The completion's text as it comes; the pieces join to `last().text`. Leaving the loop stops the model."""
    return _begun(prompt, options).deltas()


@holding_interrupts()
def score(text: str, **options: Unpack[Options]) -> Completion:
    """How likely `text` is: its `prompt_tokens` carry logprob and rank, `perplexity` sums them up."""
    return _begun(text, {**options, "score": True}).result()


def inside(what: str | Completion | Trace, **options: Unpack[Options]) -> Inside:
    """A completion opened up: of a prompt, which is completed with these options; of a completion with a trace; or of a
    trace, which answers what was asked before it was saved, and more where its model is resident.

    Raises BadOption for a completion without a trace.
    """
    from .results.trace import Trace
    from .session.inside import Inside, of

    if isinstance(what, Trace):
        return Inside(what, current())
    traced: Options = {**options, "trace": True}
    return of(what if isinstance(what, Completion) else complete(what, **traced), current())


def compare(first: str, second: str, **options: Unpack[Options]) -> Comparison:
    """Two texts scored by one model, side by side: which is likelier, and at which words."""
    from .results.comparison import Comparison

    return Comparison(score(first, **options), score(second, **options))


def last() -> Completion | None:
    """The newest completion of this kernel."""
    return current().last


def task(name: str, template: str, **settings: Any) -> None:
    """Let `--task NAME` mean a template of your own, in this kernel; it may take the name of another.

    In `template`, {{ text }} stands for the cell's text and {{ to }}, {{ from }}, {{ question }} for these options; it
    may have a section a kind of model, as a task's file does. `settings` are its `description`, options of sampling
    (temperature, stop, …) and what stands for a placeholder whose option is not given. Raises BadOption.
    """
    current().tasks.add(name, template, **settings)


def _begun(prompt: str, options: Options) -> Stream:
    """The stream that these options ask for."""
    asked = given(options)
    return current().stream(prompt, mode=current().config.mode(asked), **asked)
