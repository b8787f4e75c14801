"""One pass of a model with its attention watched: queries, keys and values as every layer's heads met them.

transformers lets an attention function be registered by name. Ours is each architecture's own eager one, which is
told of first; so what is seen is what that model computes, positions turned in and groups of heads as they are.
"""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event as StopEvent
from typing import Any

import torch
from torch import Tensor

from ...protocol.errors import BadOption, Stopped
from ...protocol.question import AttentionKind, InputIds, resolve_place

NAME = "jupyter_complete_watched"
MLP = re.compile(r"mlp|feed_forward|ffn|DenseReluDense")
_watcher = threading.local()  # a pass is watched by the thread that makes it


@dataclass(frozen=True, slots=True)
class Met:
    """What one attention module was given: query [1, heads, T, D], key and value [1, groups, S, D], and the rest."""

    module: Any
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    options: dict[str, Any]

    def weights(self) -> Tensor:
        """The attention [heads, T, S] that the architecture makes of it."""
        given = (self.module, self.query, self.key, self.value, self.mask)
        _, weights = _eager(self.module)(*given, **self.options)
        found: Tensor = weights[0].float()
        return found


@dataclass
class Pass:
    """One forward pass of a text: `states` of every layer [T, hidden], the first of them the embeddings and the last
    after the model's last norm; `between` attention and MLP of every layer, with what the MLP put out; `into_norm` and
    `into_head`, what the last norm and the head were given; and `logits` [T, V]."""

    states: list[Tensor]
    into_head: Tensor
    logits: Tensor
    met: dict[tuple[AttentionKind, int], Met] = field(default_factory=dict)
    last_norm: Any = None
    into_norm: Tensor | None = None
    between: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def attention(self, part: AttentionKind, layer: int) -> tuple[int, Met]:
        """Return the number of a layer, counted from 0, and what its attention was given. Raises BadOption.

        A layer counted from the end that has no attention means the nearest one before it that has.
        """
        layers = sorted(number for of, number in self.met if of == part)
        if not layers:
            raise BadOption(f"The model has no {part} attention.", 'Leave it out, or give "decoder".')
        total = max(layers[-1] + 1, 0 if part == "encoder" else len(self.states) - 1)
        asked, layer = layer, resolve_place(layer, total, "layer")
        if asked < 0:
            layer = max((one for one in layers if one <= layer), default=layer)
        if layer not in layers:
            raise BadOption(
                f"Layer {layer} has no attention: it mixes the tokens in another way.",
                f"Give a layer that has: {', '.join(map(str, layers))}.",
            )
        return layer, self.met[part, layer]


def watched(model: Any, text: InputIds, stop: StopEvent) -> Pass:
    """Read `text` once and keep what is inside.

    Raises BadOption for a model whose attention cannot be watched, and Stopped between two layers.
    """
    met: dict[tuple[AttentionKind, int], Met] = {}
    seen: dict[str, Any] = {}
    names = {id(module): name for name, module in model.named_modules()}

    def take(one: Met) -> None:
        if stop.is_set():
            raise Stopped("The look into the text was stopped.", "Run it again.")
        met[_place(names[id(one.module)])] = one

    hooks = [model.get_output_embeddings().register_forward_pre_hook(lambda module, given: seen.update(head=given[0]))]
    for module in decoder_of(model).children():
        if _is_norm(module):
            hooks.append(
                module.register_forward_hook(lambda module, given, out: seen.update(norm=(module, given, out)))
            )
    between: list[tuple[Tensor, Tensor]] = []
    hooks += _between(decoder_of(model), between)
    try:
        with attending(model, take), torch.inference_mode():
            output = model(**given(model, text), output_hidden_states=True, use_cache=False, return_dict=True)
    finally:
        for hook in hooks:
            hook.remove()
    states = output.decoder_hidden_states if text.source else output.hidden_states
    if not met or states is None:
        raise BadOption(
            f"The inside of a {type(model).__name__} cannot be looked at.", "Use a model of another architecture."
        )
    made = Pass([state[0] for state in states], seen["head"][0], output.logits[0], met, between=between)
    if "norm" in seen:
        module, (into, *_), out = seen["norm"]
        if torch.equal(out, states[-1]):
            made.last_norm, made.into_norm = module, into[0]
    return made


def _between(stack: Any, found: list[tuple[Tensor, Tensor]]) -> list[Any]:
    """Hooks that put into `found`, of every layer, what the last norm before its MLP was given, which is the state with
    what attention has added, and what the MLP put out, normed where the model does that before it is added."""
    hooks: list[Any] = []
    last: dict[str, Tensor] = {}

    def put(module: Any, given: Any, out: Any) -> None:
        last["put"] = out[0] if isinstance(out, tuple) else out
        if "state" in last and last["put"].numel() == last["state"].numel():
            found.append((last["state"], last["put"].reshape(1, *last["state"].shape)[0]))

    def normed(module: Any, given: Any, out: Tensor) -> None:
        if not given:  # by names, which tells no hook where the state is
            return
        last["state"] = given[0][0]
        if found and given[0] is last.get("put"):
            found[-1] = found[-1][0], out[0]

    layers: Any = next((one for one in stack.children() if isinstance(one, torch.nn.ModuleList)), [])
    for layer in layers:
        for name, module in layer.named_modules():
            *above, own = name.split(".")
            if any(MLP.fullmatch(one) for one in above):  # norms of the MLP's own are given no state
                continue
            if _is_norm(module):
                hooks.append(module.register_forward_hook(normed))
            elif MLP.fullmatch(own):
                hooks.append(module.register_forward_hook(put))
    return hooks


def _is_norm(module: Any) -> bool:
    return "norm" in type(module).__name__.lower()


def given(model: Any, text: InputIds, hidden: int | None = None) -> dict[str, Tensor]:
    """A forward pass's inputs for `text`; no token may look at the place `hidden` (of the source, if there is one)."""
    ids = torch.tensor([text.ids], device=model.device)
    read = torch.tensor([text.source], device=model.device) if text.source else ids
    mask = torch.ones_like(read)
    if hidden is not None:
        mask[0, hidden] = 0
    if text.source:
        return {"input_ids": read, "attention_mask": mask, "decoder_input_ids": ids}
    inputs = {"input_ids": ids, "attention_mask": mask}
    if "position_ids" in inspect.signature(model.forward).parameters:  # else some count them by the mask
        inputs["position_ids"] = torch.arange(ids.shape[1], device=ids.device)[None]
    return inputs


def decoder_of(model: Any) -> Any:
    """The stack of layers whose last states the head reads."""
    base = model.get_decoder() if model.config.is_encoder_decoder else model.base_model
    return getattr(base, "decoder", base)


@contextmanager
def attending(model: Any, take: Callable[[Met], None]) -> Iterator[None]:
    """Inside the block the model's attention is its architecture's eager one, and `take` is told of every layer's."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, eager_mask)
    found: list[Any] = [getattr(module, "config", None) for module in model.modules()]
    configs = {id(config): config for config in found if hasattr(config, "_attn_implementation")}.values()
    before = [config._attn_implementation for config in configs]
    _watcher.take = take
    try:
        for config in configs:
            config._attn_implementation = NAME
        yield
    finally:
        _watcher.take = None
        for config, name in zip(configs, before, strict=True):
            config._attn_implementation = name


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, Tensor | None]:
    take = getattr(_watcher, "take", None)
    if take is not None:
        take(Met(module, query, key, value, attention_mask, options))
    made: tuple[Tensor, Tensor | None] = _eager(module)(module, query, key, value, attention_mask, **options)
    return made


def _eager(module: Any) -> Callable[..., Any]:
    """The eager attention of the architecture that a module is of."""
    for kind in type(module).__mro__:
        found = getattr(sys.modules.get(kind.__module__), "eager_attention_forward", None)
        if found is not None:
            return found  # type: ignore[no-any-return]
    raise BadOption(
        f"The attention of {type(module).__name__} cannot be looked at.", "Use a model of another architecture."
    )


def _place(name: str) -> tuple[AttentionKind, int]:
    """Which attention of which layer a module's name means."""
    numbers = re.findall(r"\.(\d+)\.", name)
    cross = re.search(r"encoder_attn|EncDecAttention|cross_?att(entio)?n", name, re.IGNORECASE)
    part: AttentionKind = "cross" if cross else "encoder" if re.search(r"(^|\.)encoder\.", name) else "decoder"
    return part, int(numbers[0]) if numbers else 0
