"""Pack the matrices of any transformers model into int8 tiles once, and map them from the cache afterwards.

The forward pass stays transformers' own. Packing loads the model as float32 and also writes every other tensor that
the forward pass needs, so that later a model without weights is filled from the cache alone.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ...protocol.errors import Stopped
from ...protocol.events import Loading
from ...protocol.plan import CacheEntry, Reason
from ...sources import cache
from ..kernels.sizes import MAX_VECTORS
from ..kernels.thread_team import Team
from . import load
from .int8_modules import others, swap, team_of, tiled_modules
from .quantize import holds_four_bits, tiles_of
from .safetensors_file import SafetensorsWriter, map_arrays

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FILE, PLAN = "model.safetensors", "plan.json"


def fill(
    model: PreTrainedModel, folder: Path, name: str, packing: CacheEntry, team: Team, stop: StopEvent
) -> Generator[Loading, None, None]:
    """Give `model`, which has no weights yet, the packed weights of `folder`; pack them first where the cache does
    not hold them."""
    target = packing.path
    assert target is not None
    if not packing.exists:
        yield from _pack(packing, load.read(folder, name, torch.float32, "cpu").model, stop)
    plan = json.loads((target / PLAN).read_text())
    arrays = {key: torch.from_numpy(array) for key, array in map_arrays(target / FILE).items()}
    swap(model, plan["tiles"], arrays, team)
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
    for length in (1, MAX_VECTORS + 1):
        ids = torch.ones(1, length, dtype=torch.int64)
        given = {"decoder_input_ids": ids[:, :1]} if model.config.is_encoder_decoder else {}
        try:
            with torch.inference_mode(), team.awake():
                logits = model(input_ids=ids, **given).logits
        except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
            return Reason("forward pass", f"its forward pass fails on int8 ({' '.join(str(error).split())[:100]})")
        if bool(logits.isnan().any()):
            return Reason("forward pass", "its forward pass reads matrices past their modules")
    return None


def _pack(packing: CacheEntry, model: PreTrainedModel, stop: StopEvent) -> Generator[Loading, None, None]:
    assert packing.path is not None
    modules = tiled_modules(model)
    matrices = list(dict.fromkeys(modules.values()))
    with cache.build(packing.path, packing.reserve) as part:
        with SafetensorsWriter(part / FILE) as writer:
            for done, matrix in enumerate(matrices, 1):
                wide = _wide(model.get_submodule(matrix))
                for kind, array in tiles_of(wide, holds_four_bits(wide)).items():
                    writer.add(f"{matrix}.{kind}", array)
                yield Loading(f"packing once into int8, {done} of {len(matrices)} matrices")
                if stop.is_set():
                    raise Stopped("The packing was stopped.", "Run it again to start over.")
            same = _write_others(model, modules, writer)
        (part / PLAN).write_text(json.dumps({"tiles": modules, "others": same}))


def _wide(module: nn.Module) -> torch.Tensor:
    """The matrix [R, K] of a module; a Conv1D stores it transposed."""
    weight = cast(Tensor, module.weight).detach()
    return weight.T if type(module).__name__ == "Conv1D" else weight


def _write_others(model: nn.Module, modules: dict[str, str], writer: SafetensorsWriter) -> dict[str, str]:
    """Write every tensor that is in no tiles, once; return for each name the name that it is written under."""
    tiled_names = {f"{name}.weight" for name in modules}
    left = [(key, tensor) for key, _, _, tensor in others(model) if key not in tiled_names]
    first: dict[int, str] = {}
    same = {key: first.setdefault(id(tensor), key) for key, tensor in left}
    once = [(key, tensor.detach()) for key, tensor in left if same[key] == key]
    for key, tensor in sorted(once, key=lambda one: -one[1].element_size()):  # so that each lies where it can be mapped
        writer.add(key, tensor.numpy())
    return same
