"""The float32 numbers of a GGUF file that is opened straight: read for one pass, or as a whole transformers model.

For one pass of transformers' own code no model has to fit into memory: each matrix is read from the file's blocks, some
rows at a time, while it is multiplied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...kernels.block_kinds import EXACT
from ...kernels.sizes import GROUP
from ...machine.cgroup import cores
from .. import load
from ..checkpoint import Entry, Slice, hollow
from ..quantize import eight_bits
from .head import Head, read_head
from .straight import MappedFile, Stack, stacks, tensor_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ...kernels.kinds import Kind
    from .straight import Source

BLOCK = (
    1 << 21
)  # numbers that are in memory at a time: few enough to be multiplied while the processor's cache has them
MOST = {4: 127, 8: 32767}  # of a rounded vector, by the bits that it is rounded for


class FileMatrix:
    """A matrix of a mapped file [R, K]; `kind` is that of the tiles which the compiled step has of it."""

    def __init__(self, source: Source, kind: Kind, file: MappedFile) -> None:
        from ...kernels.pack_blocks import job_of

        self._source, self._file, self.kind = source, file, kind
        self.exact = kind.bits < 8 or source.tensor.kind in EXACT
        self.columns = source.tensor.shape[1]
        self._job = job_of(source.tensor.kind, source.tensor.start, source.tensor.shape, kind)

    def rows(self, numbers: np.ndarray) -> Tensor:
        """Some rows as float32."""
        from ...kernels.pack_blocks import widen_rows

        made = np.empty((len(numbers), self.columns), np.float32)
        widen_rows(self._file.data, self._job, self._source.order[numbers], made)
        return torch.from_numpy(made)

    def blocks(self) -> list[np.ndarray]:
        """The numbers of all rows, some at a time."""
        rows = len(self._source.order)
        return np.array_split(np.arange(rows), max(1, rows * self.columns // BLOCK))

    def release(self) -> None:
        """Give the pages of the file back."""
        self._file.release(self._source.tensor.start, self._source.tensor.start + self._source.tensor.size)


class FileLinear(nn.Module):
    """y = x Wᵀ + b, with W read from a file each time.

    With `rounds` set, vectors and weights are rounded as the compiled step rounds them. Each thread of `pool` reads
    some rows and multiplies them alone: torch's own threads would wait, and keep the cores busy, while rows are read.
    """

    def __init__(self, matrix: FileMatrix, bias: Tensor | None, pool: ThreadPoolExecutor) -> None:
        super().__init__()
        self.matrix, self.bias, self.pool, self.rounds = matrix, bias, pool, False

    def forward(self, x: Tensor) -> Tensor:
        x = _rounded(x, MOST[self.matrix.kind.vector_bits]) if self.rounds else x
        y = torch.cat(list(self.pool.map(partial(self._part, x), self.matrix.blocks())), -1)
        self.matrix.release()
        return y if self.bias is None else y + self.bias

    @torch.inference_mode()
    def _part(self, x: Tensor, numbers: np.ndarray) -> Tensor:
        """The columns of y for some rows of W."""
        rows = self.matrix.rows(numbers)
        if self.rounds and not self.matrix.exact:
            rows = eight_bits(rows).wide()[:, : rows.shape[1]]
        return nn.functional.linear(x, rows)


def _pool() -> ThreadPoolExecutor:
    """Threads in which torch has no threads of its own. They end with the model that uses them."""
    before, ready = torch.get_num_threads(), Barrier(cores() + 1)
    pool = ThreadPoolExecutor(cores(), thread_name_prefix="file", initializer=partial(torch.set_num_threads, 1))
    for _ in range(cores()):
        pool.submit(ready.wait)
    ready.wait()
    torch.set_num_threads(before)  # of the other threads: torch keeps one number for each, and one for new threads
    return pool


class FileEmbedding(nn.Module):
    """Rows of a matrix by int64 ids, read from a file each time, times `embed_scale` where there is one."""

    def __init__(self, matrix: FileMatrix, module: nn.Module) -> None:
        super().__init__()
        self.matrix = matrix
        self.embed_scale: Tensor | None = getattr(module, "embed_scale", None)
        self.num_embeddings, self.embedding_dim = module.num_embeddings, module.embedding_dim

    def forward(self, ids: Tensor) -> Tensor:
        rows = self.matrix.rows(ids.reshape(-1).numpy())
        y: Tensor = rows.view(*ids.shape, rows.shape[1])
        return y if self.embed_scale is None else y * self.embed_scale


def _rounded(x: Tensor, most: int) -> Tensor:
    groups = x.unflatten(-1, (-1, GROUP))
    largest = groups.abs().amax(-1, keepdim=True)
    factor = torch.where(largest > 0, most / largest, 0.0)
    steps: Tensor = (groups * factor).round() * (largest / most)
    return steps.flatten(-2)


def one_pass(path: Path, name: str) -> PreTrainedModel:
    """A model whose passes read the weights of the file at `path` as float32, matrix by matrix."""
    head = read_head(path, name)
    assert head.weights is not None
    with load.quiet():
        model = hollow(head.model, dict.fromkeys(head.model.state_dict()))  # type: ignore[arg-type]
    matrices, pool = dict(_matrices(head)), _pool()
    made = {weight.name: weight for weight in head.weights}
    for key, tensor in list(model.named_parameters()):
        if key in made and key not in matrices:
            tensor.data = tensor_of(made[key], head.header).reshape(tensor.shape)
    for place, module in list(model.named_modules()):
        if isinstance(module, nn.Embedding):
            model.set_submodule(place, FileEmbedding(matrices[f"{place}.weight"], module))
        elif isinstance(module, nn.Linear):
            tied = matrices.get(f"{place}.weight", matrices["model.embed_tokens.weight"])
            model.set_submodule(place, FileLinear(tied, module.bias, pool))
    model.forward = partial(_alone, model.forward)
    return model


def _alone(forward: Callable[..., Any], *args: Any, **given: Any) -> Any:
    """Run a pass without torch's own threads, which keep cores busy for a while after each of their turns."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return forward(*args, **given)
    finally:
        torch.set_num_threads(before)


def _matrices(head: Head) -> Iterator[tuple[str, FileMatrix]]:
    assert head.weights is not None
    files = {path: MappedFile(path) for path in head.header.paths}
    names = {weight.sources[0]: weight.name for weight in head.weights if len(weight.sources) == 1}
    for source, kind in (pair for stack in stacks(head) for pair in _pairs(stack)):
        yield names[source.tensor.name], FileMatrix(source, kind, files[source.tensor.path])


def _pairs(stack: Stack) -> Iterator[tuple[Source, Kind]]:
    for sources, kinds in zip(stack.layers, stack.kinds, strict=True):
        yield from zip(sources, kinds, strict=True)


def round_vectors_too(model: nn.Module) -> bool:
    """Have a model of `one_pass` round as the compiled step does; returns whether it is such a model."""
    found = [module for module in model.modules() if isinstance(module, FileLinear)]
    for module in found:
        module.rounds = True
    return bool(found)


def whole(path: Path, name: str) -> PreTrainedModel:
    """The float32 model of the file at `path`, as transformers has it."""
    head = read_head(path, name)
    assert head.weights is not None
    shapes = {key: tuple(one.shape) for key, one in head.model.state_dict().items()}
    slices = {
        weight.name: Slice(Entry(shapes[weight.name], partial(_shaped, head, weight, shapes[weight.name])))
        for weight in head.weights
        if weight.name in shapes
    }
    with load.quiet():
        model: PreTrainedModel = type(head.model).from_pretrained(
            None, config=head.config, state_dict=slices, dtype=torch.float32
        )
    return model.eval()


def _shaped(head: Head, weight: Any, shape: tuple[int, ...]) -> Tensor:
    return tensor_of(weight, head.header).reshape(shape)
