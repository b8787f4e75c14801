"""Echo models for tests: what stands above an engine is tested on them, without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_complete.engine.echo import EchoModel, EchoTokenizer


def make(**how: Any) -> tuple[EchoModel, EchoTokenizer]:
    """A model and its tokenizer, as `register` takes them; `how` are the fields of EchoModel."""
    return EchoModel(**how), EchoTokenizer()


@contextmanager
def before_token(model: EchoModel, act: Callable[[int], object]) -> Iterator[None]:
    """Call `act` with 1, 2, … ahead of the model's tokens."""
    numbers = iter(range(1, 1_000_000))

    def hook() -> None:
        act(next(numbers))

    model.hooks.append(hook)
    try:
        yield
    finally:
        model.hooks.remove(hook)
