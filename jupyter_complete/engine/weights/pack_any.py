"""Pack the matrices of any transformers model into int8 tiles once, and map them from the cache afterwards.

The forward pass stays transformers' own. Packing reads the files tensor by tensor, and also writes every other tensor
that the forward pass needs, so that later a model without weights is filled from the cache alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ...protocol.errors import Stopped
from ...protocol.events import Loading
from ...protocol.plan import CacheEntry, Reason
from ...sources import cache
from ..kernels.thread_team import Team
from . import load
from .checkpoint import Checkpoint, hollow, separate
from .importance import Importance
from .int8_forms import PLAN
from .int8_modules import TILES, TiledLinear, others, swap, team_of
from .int8_stacks import TiledStack, put
from .matrix_use import ERRORS, Use, run, use_of
from .quantize import arrange, blocks_of, holds_four_bits, tiles_of
from .safetensors_file import SafetensorsWriter, map_arrays
from .search_groups import few_bits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FILE = "model.safetensors"


class FailedPass(Exception):
    """The forward pass does not run on int8 matrices, for `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


def fill(
    model: PreTrainedModel,
    place: tuple[Path, str],
    packing: CacheEntry,
    team: Team,
    stop: StopEvent,
    importance: Importance | None = None,
) -> Generator[Loading, None, None]:
    """Give `model`, which has no weights yet, the packed weights of a folder, whose model has a name; pack them first
    where the cache does not hold them, with matrices of 4 bits if there is an `importance`.

    Raises FailedPass or Stopped.
    """
    target = packing.path
    assert target is not None
    if not packing.exists:
        with load.tensors(*place, model) as checkpoint:
            yield from _pack(packing, model, checkpoint, stop, importance)
    plan = json.loads((target / PLAN).read_text())
    arrays = {key: torch.from_numpy(array) for key, array in map_arrays(target / FILE).items()}
    separate(model, plan["untied"])
    swap(model, plan["tiles"], arrays, team)
    for key, across in plan["stacks"].items():
        own = {kind: arrays[f"{key}.{kind}"] for kind in TILES[:3]}
        put(model, key, TiledStack(model.get_parameter(key), team, own, across))
    made: dict[str, Tensor] = {}
    for key, store, attribute, old in list(others(model)):
        first = plan["others"][key]
        if first not in made:
            tensor = arrays[first].to(old.dtype)
            made[first] = nn.Parameter(tensor, requires_grad=False) if isinstance(old, nn.Parameter) else tensor
        store[attribute] = made[first]


def warm_up(model: PreTrainedModel) -> Reason | None:
    """Run each kind of pass once, so that it is compiled; return why the model does not work with tiles, or None."""
    team = team_of(model)
    assert team is not None
    odd: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, given, name=name: None if _finite(given[0]) else odd.append(name))
        for name, module in model.named_modules()
        if isinstance(module, TiledLinear)
    ]
    try:
        with team.awake():
            logits = run(model)
    except ERRORS as error:
        return Reason("forward pass", f"its forward pass fails on int8 ({' '.join(str(error).split())[:100]})")
    finally:
        for hook in hooks:
            hook.remove()
    if odd or not all(_finite(one) for one in logits):
        return Reason(
            "forward pass", f"its int8 pass gives numbers that are not finite ({odd[0] if odd else 'logits'})"
        )
    return None


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _pack(
    packing: CacheEntry,
    model: PreTrainedModel,
    checkpoint: Checkpoint,
    stop: StopEvent,
    importance: Importance | None,
) -> Generator[Loading, None, None]:
    assert packing.path is not None
    kind = "int8" if importance is None else "int4"
    yield Loading(f"packing once into {kind}: finding out how the model uses its matrices")
    untied = checkpoint.untied()
    with load.quiet():
        bare = hollow(model, checkpoint)
    for one in (model, bare):
        separate(one, untied)
    left = {key: tensor for key, _, _, tensor in others(bare)}
    use = use_of(bare)
    if isinstance(use, Reason):
        raise FailedPass(use)
    total, done = len(set(use.modules.values())) + len(use.stacks), 0
    with cache.build(packing.path, packing.reserve) as part:
        with SafetensorsWriter(part / FILE) as writer:
            for name, arrays in _tiles(model, use, checkpoint, importance):
                for kind, array in arrays.items():
                    writer.add(f"{name}.{kind}", array)
                done += 1
                yield Loading(f"packing once into {kind}, {done} of {total} matrices")
                if stop.is_set():
                    raise Stopped("The packing was stopped.", "Run it again to start over.")
            same = _write_others(left, use, checkpoint, writer)
        plan = {"tiles": use.modules, "stacks": use.stacks, "others": same, "untied": untied, "past": use.past}
        (part / PLAN).write_text(json.dumps(plan))


def _tiles(
    model: nn.Module, use: Use, checkpoint: Checkpoint, importance: Importance | None
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The tiles of every matrix and of every stack of matrices.

    With an `importance`, the matrices that it names have 4 bits, except those that stand outside layers (the head).
    """
    for name in dict.fromkeys(use.modules.values()):
        wide = checkpoint(f"{name}.weight")
        wide = wide.T if type(model.get_submodule(name)).__name__ == "Conv1D" else wide
        few = holds_four_bits(wide)
        if not few and importance is not None and name in importance and re.search(r"\.\d+\.", name):
            blocks = [arrange(few_bits(rows, 4, importance[name])) for rows in blocks_of(wide)]
            yield name, {kind: np.concatenate([block[kind] for block in blocks]) for kind in blocks[0]}
        else:
            yield name, tiles_of(wide, few)
    for name, across in use.stacks.items():
        whole = checkpoint(name)
        yield name, _stack(whole.transpose(1, 2) if across else whole)


def _stack(matrices: Tensor) -> dict[str, np.ndarray]:
    """The tiles of matrices [E, R, K], all at 4 bits or all at 8."""
    few = all(holds_four_bits(one) for one in matrices)
    made: dict[str, np.ndarray] = {}
    for place, one in enumerate(matrices):
        for kind, array in tiles_of(one, few).items():
            made.setdefault(kind, np.empty((len(matrices), *array.shape), array.dtype))[place] = array
    return made


def _write_others(
    left: dict[str, Tensor], use: Use, checkpoint: Checkpoint, writer: SafetensorsWriter
) -> dict[str, str]:
    """Write every tensor that is in no tiles, once; return for each name the name that it is written under."""
    tiled = {f"{name}.weight" for name in use.modules} | set(use.stacks)
    first: dict[int, str] = {}
    same = {key: first.setdefault(id(tensor), key) for key, tensor in left.items() if key not in tiled}
    once = sorted(set(same.values()), key=lambda key: -left[key].element_size())  # so that each can be mapped
    for key in once:
        tensor = checkpoint(key) if key in checkpoint else left[key]
        writer.add(key, _array(tensor.detach()))
    return same


def _array(tensor: Tensor) -> np.ndarray:
    """A tensor as numpy has it, which has no bfloat16."""
    floats = tensor.is_floating_point() and tensor.dtype is not torch.float64
    return (tensor.float() if floats else tensor).numpy()
