"""A family's tiny directory, opened as users open it, beside transformers' own model of the same directory."""

from __future__ import annotations

import copy
import gc
import inspect
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_family
import torch
from tiny_family import Family

import jupyter_complete as jc
from jupyter_complete.engine.weights import quantize
from jupyter_complete.engine.weights.int8_modules import Tiled
from jupyter_complete.engine.weights.int8_stacks import TiledStack
from jupyter_complete.engine.weights.layer_shape import LayerShape, describe
from jupyter_complete.protocol.events import ModelInfo
from jupyter_complete.results.completion import Completion
from jupyter_complete.session import session as session_module
from jupyter_complete.session.inside import Inside
from jupyter_complete.session.session import Session

TOKENS = 340  # of the prompt, which is read in three chunks
SHORT = "The mean of a sample estimates the mean of its population"
LONG = "The mean of a sample estimates the mean of its population. " + " ".join(tiny.TEXTS[:4]) * 3


@dataclass
class Opened:
    """A directory that is resident as `name` in float32, and as `rounded` in what a CPU has by default."""

    family: Family
    folder: Path
    session: Session
    _truth: dict[Any, list[int]] = field(default_factory=dict)

    @property
    def encodes(self) -> bool:
        return bool(self.reference.config.is_encoder_decoder)

    @cached_property
    def name(self) -> str:
        """The model in float32."""
        return jc.load(self.folder, dtype="float32").name

    @cached_property
    def default(self) -> str:
        """The same directory as a CPU opens it by default."""
        return jc.load(shutil.copytree(self.folder, self.folder.with_name("default"))).name

    @cached_property
    def reference(self) -> Any:
        """transformers' own model of the directory, in float32."""
        return tiny_family.auto(self.family.mapping).from_pretrained(self.folder, dtype=torch.float32).eval()

    @cached_property
    def prompt(self) -> str:
        """A text of TOKENS tokens."""
        ids = tiny.byte_level()(LONG)["input_ids"][:TOKENS]
        return str(tiny.byte_level().decode(ids)).rstrip("\N{REPLACEMENT CHARACTER}")

    def complete(self, prompt: str | None = None, rounded: bool = False, **options: Any) -> Completion:
        """A completion, greedy unless it is said otherwise, by a model that has kept nothing of earlier ones."""
        self.forget(rounded)
        return self.again(prompt, rounded, **options)

    def again(self, prompt: str | None = None, rounded: bool = False, **options: Any) -> Completion:
        """A completion by a model that may have kept something."""
        given = {"temperature": 0, "max_new_tokens": 12, "model": self.model(rounded), **options}
        return jc.complete(self.prompt if prompt is None else prompt, **given)

    def model(self, rounded: bool) -> str:
        return self.default if rounded else self.name

    def forget(self, rounded: bool = False) -> None:
        """Let go of every cache that the model has kept."""
        self._engine(rounded)._forget()

    def generated(self, prompt: Sequence[int], prefix: Sequence[int] = (), new: int = 12, **options: Any) -> list[int]:
        """What transformers' `generate` adds to `prompt` and what was written behind it."""
        key = (tuple(prompt), tuple(prefix), new, tuple(options.items()))
        if key not in self._truth:
            self._truth[key] = self._generate(prompt, prefix, new, **options)
        return self._truth[key]

    def _generate(self, prompt: Sequence[int], prefix: Sequence[int], new: int, **options: Any) -> list[int]:
        read = torch.tensor([[*prompt, *(() if self.encodes else prefix)]])
        given = {"attention_mask": torch.ones_like(read), "do_sample": False, "max_new_tokens": new, **options}
        if self.encodes:
            given["decoder_input_ids"] = torch.tensor([[self.start, *prefix]])
        rows = self.reference.generate(read, **given)
        return list(rows[0, 1 + len(prefix) if self.encodes else read.shape[1] :].tolist())

    @property
    def turn_ends(self) -> tuple[int, ...]:
        """The ids that end an answer in a chat: the model's own, and the template's."""
        own = self.reference.generation_config.eos_token_id
        ends = own if isinstance(own, list) else [own]
        return (*(id for id in ends if id is not None), tiny.byte_level().convert_tokens_to_ids("<|im_end|>"))

    @property
    def start(self) -> int:
        """The id that a decoder's text begins with."""
        return tiny_family.START

    def logprobs(self, prompt: Sequence[int], text: Sequence[int] = (), model: Any = None) -> torch.Tensor:
        """Of every token of a text [T, V], by one pass over all of it that keeps nothing: log P(· | all before it).

        Without `text`, of every token of the prompt but its first.
        """
        model = model or self.reference
        takes = inspect.signature(model.forward).parameters
        more: dict[str, Any] = {"use_cache": False} if "use_cache" in takes else {}
        if self.encodes:
            more |= {"decoder_input_ids": torch.tensor([[self.start, *text]])}
        read = torch.tensor([list(prompt) if self.encodes else [*prompt, *text]])
        more |= _places(model, read)
        with torch.inference_mode():
            logits = model(input_ids=read, **more).logits[0]
        first = 0 if self.encodes or not text else len(prompt) - 1
        return torch.log_softmax(logits.float(), -1)[first:-1]

    def ids_of(self, choice: str) -> list[int]:
        """The ids of one of several choices behind the prompt; an encoder's text begins with no space."""
        return list(tiny.byte_level()(choice if self.encodes else " " + choice)["input_ids"])

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        return str(tiny.byte_level().decode(ids, skip_special_tokens=not special))

    def info(self, rounded: bool = False) -> ModelInfo:
        info: ModelInfo = self._engine(rounded).info
        return info

    def _engine(self, rounded: bool) -> Any:
        resident = self.session.models.get(self.model(rounded))
        assert resident is not None
        return resident.engine

    @cached_property
    def seen(self) -> Inside:
        """The inside of a short completion."""
        return jc.inside(self.complete(SHORT, max_new_tokens=4, trace=True))

    @cached_property
    def _pass(self) -> Any:
        """transformers' own pass of the text of `seen`, with everything in it."""
        model, text = copy.deepcopy(self.reference), self.seen.text
        model.set_attn_implementation("eager")
        read = torch.tensor([text.source or text.ids])
        given = {"decoder_input_ids": torch.tensor([text.ids])} if text.source else _places(model, read)
        with torch.inference_mode():
            return model(input_ids=read, output_attentions=True, **given)

    @property
    def logits(self) -> torch.Tensor:
        """Of every token of the text of `seen` [T, V]."""
        return self._pass.logits[0]

    @property
    def seen_logprobs(self) -> list[float]:
        """Of every token of the completion of `seen`."""
        begin, ids = len(self.seen.trace.before), self.seen.text.ids
        rows = torch.log_softmax(self.logits, -1)[begin - 1 : -1]
        return [float(row[id]) for row, id in zip(rows, ids[begin:], strict=True)]

    @property
    def attentions(self) -> list[torch.Tensor]:
        """Of every layer of the decoder that has attention [1, heads, T, T]."""
        found = self._pass.decoder_attentions if self.encodes else getattr(self._pass, "attentions", None)
        return [one for one in found or () if one is not None]

    @property
    def layers(self) -> int:
        return int(self.reference.config.get_text_config(decoder=True).num_hidden_layers)

    @cached_property
    def emulated(self) -> Any:
        """The reference with every matrix that the default has in int8 as its groups of 8 bits say."""
        model = copy.deepcopy(self.reference)
        modules = {_text_name(name): module for name, module in model.named_modules()}
        for name, across in self._matrices():
            path, _, key = name.rpartition(".")
            weight = modules[path]._parameters[key]
            with torch.no_grad():
                weight.copy_(_rounded(weight, across or type(modules[path]).__name__ == "Conv1D"))
        return model

    def _matrices(self) -> Iterator[tuple[str, bool]]:
        """Names of the parameters that the default has in int8, and whether a group is part of a column."""
        model = self._engine(rounded=True).model
        if model.device.type == "meta":  # the compiled step has all of them
            shape = describe(model)
            assert isinstance(shape, LayerShape)
            yield from ((_text_name(name), False) for name in shape.matrices())
        for name, module in model.named_modules():
            if isinstance(module, TiledStack):
                yield _text_name(name), module.across
            elif isinstance(module, Tiled):
                yield f"{_text_name(name)}.weight", False


def _places(model: Any, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """The places of the tokens as `generate` counts them, where a model takes them: RoBERTa would begin elsewhere."""
    taken = "position_ids" in inspect.signature(model.forward).parameters
    return {"position_ids": torch.arange(ids.shape[1])[None]} if taken else {}


def _text_name(name: str) -> str:
    """The name of a module of a text model, whatever model it is part of."""
    return name.replace("language_model.", "")


def _rounded(weight: torch.Tensor, across: bool) -> torch.Tensor:
    """A matrix, or a stack of them, in groups of 8 bits."""
    if weight.dim() == 3:
        return torch.stack([_rounded(one, across) for one in weight])
    lies = (weight.T if across else weight).contiguous()
    values = quantize.eight_bits(lies).wide()[:, : lies.shape[1]]
    return values.T if across else values


def chosen(completion: Completion) -> list[int]:
    """All ids that were chosen, the end-of-text token with them."""
    return [step.id for step in completion.tokens] + ([completion.end.id] if completion.end else [])


@contextmanager
def opened(family: Family, folder: Path) -> Iterator[Opened]:
    """The family with a session and a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_COMPLETE_CACHE", str(folder / "cache"))
        session = Session()
        patch.setattr(session_module, "_current", session)
        gc.collect()
        gc.freeze()  # what earlier families left is not looked through when this one is unloaded
        yield Opened(family, tiny_family.save(family, folder / "model"), session)
        for resident in session.models:
            session.models.unload(resident.name)
