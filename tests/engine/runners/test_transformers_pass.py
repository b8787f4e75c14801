"""Which models take a KV cache: those whose own forward pass does, however it is wrapped."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from engine_calls import ask, chosen
from torch import nn

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.transformers_pass import CausalRunner, takes_cache


class Adapted(nn.Module):
    """A model inside another, as PEFT has it: any argument is passed on, and any attribute is the model's."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.base_model = model

    def get_base_model(self) -> Any:
        return self.base_model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.base_model(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("base_model"), name)


@pytest.mark.parametrize(
    "wrap", [Adapted, lambda model: torch.compile(model, backend="eager")], ids=["peft", "compile"]
)
def test_a_wrapped_model_keeps_its_cache(wrap: Any) -> None:
    model, tokenizer = tiny.make("llama")
    wanted = chosen(ask(LocalEngine(model, tokenizer, "own", "made in the tests"), temperature=0))
    wrapped = wrap(model)
    assert takes_cache(wrapped)
    engine = LocalEngine(wrapped, tokenizer, "wrapped", "made in the tests")
    assert isinstance(engine._fresh(), CausalRunner)
    assert chosen(ask(engine, temperature=0)) == wanted


def test_a_model_without_a_cache_has_none() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    with torch.device("meta"):
        made = MambaForCausalLM(MambaConfig(hidden_size=32, num_hidden_layers=1, vocab_size=50))
    assert not takes_cache(made)
    assert not takes_cache(Adapted(made))
