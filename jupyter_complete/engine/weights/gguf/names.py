"""Which tensors of a GGUF file a tensor of the transformers model is made of, and by which steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ....protocol.errors import NotAModel
from ....protocol.phrases import count
from .fields import Fields
from .steps import Array, Concatenate, Step

# Read into the config and not into a weight.
METADATA = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
# Parts that read pictures and sounds, which Ollama keeps in the file of the language model.
OTHER_PARTS = ("v.", "mm.", "a.")
_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Rule:
    """Where a tensor of the file goes.

    `name` is transformers' name, without the prefix of its layer. `part` is its place among the tensors that `join`
    makes one of. Of a `name` without a suffix the tensor's own is taken over (".weight" or ".bias").
    """

    name: str
    steps: tuple[Step, ...] = ()
    part: int = 0
    join: Callable[[Sequence[Array]], Array] = field(default=Concatenate(0))


@dataclass(frozen=True)
class Weight:
    """A tensor of the transformers model: the tensors of the file it is made of, in order, and how."""

    name: str
    sources: tuple[str, ...]
    steps: tuple[tuple[Step, ...], ...]
    join: Callable[[Sequence[Array]], Array]

    def make(self, arrays: Sequence[Array]) -> Array:
        """The tensor from the numbers of its sources; its shape may lack axes of length 1."""
        made = []
        for array, steps in zip(arrays, self.steps, strict=True):
            for step in steps:
                array = step(array)
            made.append(array)
        return self.join(made)


Rules = Mapping[str, Rule | Sequence[Rule] | str]


def weights(fields: Fields, rules: Rules, layers: str) -> list[Weight]:
    """How each tensor of the model is made; raises NotAModel for tensors of the file that no rule names.

    `layers` is transformers' name of the list of layers. Blocks beyond the layers of the model (for guessing several
    tokens at once) are left out.
    """
    found: dict[str, list[tuple[Rule, str]]] = {}
    unknown = []
    for tensor in fields.header.tensors:
        block = _BLOCK.fullmatch(tensor)
        if tensor in METADATA or tensor.startswith(OTHER_PARTS) or (block and int(block[1]) >= fields.layers):
            continue
        prefix, leaf = (f"{layers}.{block[1]}.", block[2]) if block else ("", tensor)
        if leaf in METADATA:
            continue
        targets = _rules(rules, leaf)
        for rule in targets:
            found.setdefault(prefix + rule.name, []).append((rule, tensor))
        if not targets:
            unknown.append(tensor)
    if unknown:
        raise NotAModel(
            f"{fields.file} has {count(len(unknown), 'tensor')} that no {fields.header.architecture} model is known to "
            f"have, {unknown[0]} among them.",
            "Update jupyter_complete, or choose another file of the model.",
        )
    return [_weight(name, parts) for name, parts in found.items()]


def _rules(rules: Rules, leaf: str) -> list[Rule]:
    """The rules for a tensor: by its whole name, or by its name without the suffix."""
    stem, dot, suffix = leaf.rpartition(".")
    targets = rules.get(leaf)
    if targets is None and suffix in ("weight", "bias"):
        targets = rules.get(stem)
        suffix = dot + suffix
    else:
        suffix = ""
    if targets is None:
        return []
    several = [Rule(targets)] if isinstance(targets, str) else [targets] if isinstance(targets, Rule) else targets
    return [Rule(rule.name + suffix, rule.steps, rule.part, rule.join) for rule in several]


def _weight(name: str, parts: list[tuple[Rule, str]]) -> Weight:
    parts = sorted(parts, key=lambda part: part[0].part)
    sources = tuple(tensor for _, tensor in parts)
    return Weight(name, sources, tuple(rule.steps for rule, _ in parts), parts[0][0].join)
