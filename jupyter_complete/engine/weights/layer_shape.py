"""What a layer of a model computes, in one description: from its config, its tensors' names and shapes, and its family.

The compiled step, the packing and the tests read this description alone. No weight is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...protocol.plan import Reason
from ..kernels.activations import ACTIVATIONS
from .layer_names import FAMILIES, Family

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

ROPES = ("default", "linear", "llama3", "yarn")
EPSILON = 1e-5  # of norms whose config does not say it
BRANCHES = ("out", "down")  # the matrices whose outputs are added to the residual stream


@dataclass(frozen=True)
class Tensors:
    """The names of the tensors of a model, empty where it has none.

    `matrices` has those of each matrix of a layer, and `norms` those before attention, after it, before the MLP, after.
    """

    layers: tuple[str, ...]  # what the names of each layer's tensors begin with
    embed: str
    head: str
    positions: str
    last_norm: str
    matrices: Mapping[str, tuple[str, ...]]
    norms: tuple[str, ...]
    head_norms: tuple[str, ...]
    sinks: str
    router: str
    experts: tuple[str, ...]  # tensors of the first and of the second matrices of all experts of a layer
    biases: frozenset[str]  # the modules of a layer, the last norm and the head that have one

    def of_layer(self) -> Iterator[str]:
        """The names of one layer's tensors, without what they begin with."""
        modules = [name for names in self.matrices.values() for name in names]
        modules += [*filter(None, self.norms), *self.head_norms]
        for module in modules:
            yield f"{module}.weight"
            if module in self.biases:
                yield f"{module}.bias"
        if self.sinks:
            yield self.sinks
        if self.router:
            yield f"{self.router}.weight"
            yield from self.experts

    def all(self) -> set[str]:
        """The names of all tensors."""
        found = {f"{layer}{name}" for layer in self.layers for name in self.of_layer()}
        for module in filter(None, (self.embed, self.head, self.positions, self.last_norm)):
            found |= {f"{module}.weight", *([f"{module}.bias"] if module in self.biases else [])}
        return found


@dataclass(frozen=True)
class Positions:
    """How a token's place is told: by learned vectors from row `first` on, or by turning `turned` numbers of a head.

    `kinds` says for every layer which table of angles it has; "none" turns nothing. With `pairs` neighbours turn.
    """

    first: int
    turned: int
    kinds: tuple[str, ...]
    pairs: bool
    pairs_table: bool


@dataclass(frozen=True)
class Factors:
    """Numbers that something is multiplied by; the caps are 0 where there is none."""

    scale: float  # of attention scores
    embed: float
    residual: float
    logit: float
    attention_cap: float
    logit_cap: float


@dataclass(frozen=True)
class Mixture:
    """How many experts a layer has and a token chooses, and whether the weights of those add up to 1."""

    experts: int = 0
    chosen: int = 0
    scaled: bool = False


@dataclass(frozen=True)
class LayerShape:
    """What every layer of a model computes."""

    config: PretrainedConfig
    tensors: Tensors
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    activation: int
    gated: bool
    parallel: bool
    grouped: bool
    transposed: bool
    layer_norm: bool
    fixed_norm: bool
    added_norm: float
    epsilon: float
    joint_norm: bool
    clip: float
    windows: tuple[int, ...]  # the positions that each layer sees, itself among them; 0 for all
    positions: Positions
    factors: Factors
    mixture: Mixture = Mixture()

    @property
    def layers(self) -> int:
        return len(self.windows)

    @property
    def before(self) -> bool:
        """Whether the inputs of attention and MLP are normalised."""
        return bool(self.tensors.norms[0]) or self.fixed_norm

    @property
    def after(self) -> bool:
        """Whether their outputs are normalised."""
        return bool(self.tensors.norms[1])

    def matrices(self) -> list[str]:
        """The names of all tensors that become tiles."""
        parts = [name for names in self.tensors.matrices.values() for name in names]
        found = [f"{layer}{name}" for layer in self.tensors.layers for name in parts]
        stacks = [f"{layer}{name}" for layer in self.tensors.layers for name in self.tensors.experts]
        return [f"{name}.weight" for name in (*found, self.tensors.embed, self.tensors.head) if name] + stacks


def describe(model: PreTrainedModel) -> LayerShape | Reason:
    """Describe the layers of a model, or say why the compiled step cannot run them."""
    config = model.config
    family = FAMILIES.get(config.model_type)
    if family is None:
        return Reason("family", f"the compiled step does not know {config.model_type}")
    if getattr(config, "quantization_config", None):
        return Reason("quantized", "its weights are quantized already")
    activation = _first(config, family.activation)
    if activation not in ACTIVATIONS:
        return Reason("activation", f"its activation is {activation}")
    for name, value in family.needs.items():
        if getattr(config, name, value) != value:
            return Reason("family", f"its config says {name}: {getattr(config, name)}")
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    tensors = _tensors(config, family, shapes)
    if (reason := _odd(tensors, shapes) or _odd_positions(config)) is not None:
        return reason
    return _shape(config, family, tensors, shapes)


def _odd(tensors: Tensors, shapes: Mapping[str, Any]) -> Reason | None:
    """What tensors a model has, or lacks, that its family does not say."""
    known = tensors.all()
    tied = {f"{name}.weight" for name in ("lm_head",)} if not tensors.head else set()
    if unknown := [name for name in shapes if name not in known | tied]:
        return Reason("tensors", f"it has weights of another kind ({unknown[0]})")
    if missing := sorted(known - set(shapes)):
        return Reason("tensors", f"it lacks {missing[0]}")
    if bool(tensors.norms[1]) != bool(tensors.norms[3]) or bool(tensors.norms[0]) != bool(tensors.norms[2]):
        return Reason("tensors", "its norms stand in other places")
    return None


def _odd_positions(config: PretrainedConfig) -> Reason | None:
    kinds = {rope.get("rope_type", "default") for rope in ropes(config)}
    if kinds - set(ROPES):
        return Reason("positions", f"its positions are of kind {', '.join(sorted(kinds - set(ROPES)))}")
    if len({rope.get("partial_rotary_factor", 1.0) for rope in ropes(config)}) > 1:
        return Reason("positions", "its layers turn parts of their heads that differ")
    return None


def _tensors(config: PretrainedConfig, family: Family, shapes: Mapping[str, Any]) -> Tensors:
    """The names of the family's tensors that the model has."""
    names = family.names
    layers = tuple(f"{names.layers}.{layer}." for layer in range(config.num_hidden_layers))

    def has(module: str, layer: str = layers[0]) -> bool:
        return bool(module) and f"{layer}{module}.weight" in shapes

    matrices: dict[str, tuple[str, ...]] = {"qkv": names.qkv, "out": (names.out,)}
    if not (mixture := has(names.router)):
        matrices |= {"gate_up": names.gate_up, "down": (names.down,)}
    norms = tuple(next(filter(has, each), "") for each in names.norms)
    modules = [*(name for each in matrices.values() for name in each), *norms]
    biases = {name for name in modules if f"{layers[0]}{name}.bias" in shapes}
    biases |= {name for name in (names.last_norm, names.head) if f"{name}.bias" in shapes}
    return Tensors(
        layers=layers,
        embed=names.embed,
        head="" if config.tie_word_embeddings and f"{names.head}.bias" not in shapes else names.head,
        positions=names.positions,
        last_norm=names.last_norm if has(names.last_norm, "") else "",
        matrices=matrices,
        norms=norms,
        head_norms=names.head_norms if has(names.head_norms[0]) else (),
        sinks=names.sinks if f"{layers[0]}{names.sinks}" in shapes else "",
        router=names.router if mixture else "",
        experts=names.experts if mixture else (),
        biases=frozenset(biases),
    )


def _shape(config: PretrainedConfig, family: Family, tensors: Tensors, shapes: Mapping[str, Any]) -> LayerShape:
    heads = int(config.num_attention_heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    parallel = family.parallel
    windows = tuple(_windows(config, family))
    return LayerShape(
        config=config,
        tensors=tensors,
        hidden=int(config.hidden_size),
        heads=heads,
        kv_heads=_kv_heads(tensors, shapes, heads, size, family.transposed),
        head_size=size,
        activation=ACTIVATIONS[_first(config, family.activation)],
        gated=family.gated,
        parallel=bool(getattr(config, parallel)) if isinstance(parallel, str) else parallel,
        grouped=family.grouped,
        transposed=family.transposed,
        layer_norm=family.layer_norm,
        fixed_norm=family.fixed_norm,
        added_norm=family.added_norm,
        epsilon=float(getattr(config, family.epsilon) if family.epsilon else EPSILON),
        joint_norm=family.joint_norm,
        clip=float(getattr(config, "clip_qkv", None) or 0.0),
        windows=windows,
        positions=_positions(config, family, windows, size),
        factors=_factors(config, family, size),
        mixture=_mixture(config, family, tensors, shapes),
    )


def _mixture(config: PretrainedConfig, family: Family, tensors: Tensors, shapes: Mapping[str, Any]) -> Mixture:
    if not tensors.router:
        return Mixture()
    scaled = family.scaled
    return Mixture(
        experts=int(shapes[f"{tensors.layers[0]}{tensors.router}.weight"][0]),
        chosen=int(config.num_experts_per_tok),
        scaled=bool(getattr(config, scaled)) if isinstance(scaled, str) else scaled,
    )


def _kv_heads(tensors: Tensors, shapes: Mapping[str, Any], heads: int, size: int, transposed: bool) -> int:
    """The heads of keys and values, by the rows of their matrices."""
    rows = [shapes[f"{tensors.layers[0]}{name}.weight"][transposed] for name in tensors.matrices["qkv"]]
    return int(rows[1]) // size if len(rows) == 3 else (int(rows[0]) // size - heads) // 2


def _positions(config: PretrainedConfig, family: Family, windows: Sequence[int], size: int) -> Positions:
    found = ropes(config)
    if not found:
        kinds = ["none"] * len(windows)
    elif len(found) > 1:
        kinds = list(config.layer_types)
    else:
        kinds = [""] * len(windows)
    if family.turned == "windows" and any(windows):
        kinds = [kind if window else "none" for kind, window in zip(kinds, windows, strict=True)]
    elif family.turned and family.turned != "windows":
        kinds = [kind if turns else "none" for kind, turns in zip(kinds, getattr(config, family.turned), strict=True)]
    part = found[0].get("partial_rotary_factor", 1.0) if found else 0.0
    return Positions(family.first_position, int(size * part), tuple(kinds), family.pairs, family.pairs_table)


def _factors(config: PretrainedConfig, family: Family, size: int) -> Factors:
    root = getattr(config, family.root_scale) if family.root_scale else size
    scale = getattr(config, family.scale) if isinstance(family.scale, str) else family.scale
    logit = float(getattr(config, family.logit_factor)) if family.logit_factor else 1.0
    return Factors(
        scale=float(root**-0.5 if scale is None else scale),
        embed=math.sqrt(config.hidden_size) if family.root_embed else _factor(config, family.embed_factor),
        residual=_factor(config, family.residual_factor),
        logit=logit / _factor(config, family.logit_divisor),
        attention_cap=float(getattr(config, "attn_logit_softcapping", None) or 0.0),
        logit_cap=float(getattr(config, "final_logit_softcapping", None) or 0.0),
    )


def _factor(config: PretrainedConfig, name: str) -> float:
    return float(getattr(config, name)) if name else 1.0


def _windows(config: PretrainedConfig, family: Family) -> Iterator[int]:
    """Positions that each layer sees, itself among them; 0 for all."""
    window = getattr(config, family.window, None)
    field, slides = family.slides
    kinds = getattr(config, field, None)
    for layer in range(config.num_hidden_layers):
        yield int(window) if window and (not kinds or kinds[layer] == slides) else 0


def _first(config: PretrainedConfig, names: Sequence[str]) -> str:
    """The first of these fields that says something."""
    return str(next(filter(None, (getattr(config, name, None) for name in names)), ""))


def ropes(config: PretrainedConfig) -> list[dict[str, Any]]:
    """The rope parameters of the config: one set, one for each kind of layer, or none."""
    parameters = getattr(config, "rope_parameters", None) or {}
    if not parameters:
        return []
    return [rope for rope in parameters.values() if rope] if "rope_type" not in parameters else [parameters]
