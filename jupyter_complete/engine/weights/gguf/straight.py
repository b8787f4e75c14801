"""Open a GGUF file for the compiled step straight from its blocks: no float32 in between, and no copy in the cache.

The file is mapped. Threads pack some tiles at a time in compiled code, and give the mapped pages back, so that memory
holds the tiles and a few megabytes of the file. Packing costs less than reading packed tiles from a disk would, so the
tiles are not kept.
"""

from __future__ import annotations

import math
import mmap
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event as StopEvent
from typing import Any, NamedTuple

import numpy as np
import torch

from ....protocol.errors import Stopped
from ....protocol.events import Loading
from ....protocol.plan import CONVERTED, Reason
from ....sources.gguf_file import GgufHeader, GgufTensor
from ...kernels.block_kinds import KIND_OF
from ...kernels.kinds import EIGHT, Kind
from ...kernels.sizes import GROUP, ROWS
from ...machine.cgroup import cores
from ..int8_forms import PER_LAYER
from ..layer_shape import LayerShape, describe
from .head import Head
from .names import Weight
from .read import read_tensor
from .steps import RowOrder

PART = 1 << 23  # numbers that a thread packs at a time
ROOM = 64 << 20  # bytes of the file and of room for threads that packing has in memory, at most
Arrays = dict[str, np.ndarray]
WHOLE = {"embed": ["model.embed_tokens.weight"], "head": ["lm_head.weight"]}


class Source(NamedTuple):
    """A matrix in the file, and the file's row for each of its rows."""

    tensor: GgufTensor
    order: np.ndarray

    @property
    def tiles(self) -> int:
        return -(-len(self.order) // ROWS)


@dataclass(frozen=True)
class Stack:
    """The matrices of all layers that a step reads as one: each layer has parts below each other, or in turn by tiles.

    `kinds` are the kinds of tiles of each layer's parts.
    """

    name: str
    layers: Sequence[Sequence[Source]]
    kinds: Sequence[Sequence[Kind]]

    @property
    def tiles(self) -> int:
        """Tiles of a layer."""
        return sum(part.tiles for part in self.layers[0])

    @property
    def groups(self) -> int:
        return self.layers[0][0].tensor.shape[1] // GROUP

    def places(self) -> np.ndarray:
        """Where each tile begins: see kernels.matvec.Matrix. A last row has the lengths of the arrays."""
        codes = np.concatenate([self._codes(layer) for layer in range(len(self.layers))])
        steps = np.zeros((len(codes), 3), np.int64)
        for kind in {kind for kinds in self.kinds for kind in kinds}:
            steps[codes == kind.code] = [f(self.groups) for f in (kind.words, kind.scales, kind.lows)]
        begin = np.concatenate([np.zeros((1, 3), np.int64), steps.cumsum(0)])
        return np.hstack([np.append(codes, 0)[:, None], begin])

    def rows(self, layer: int, part: int) -> np.ndarray:
        """The places of the tiles of a part, counted in all layers."""
        first, count = layer * self.tiles, self.layers[layer][part].tiles
        if self.name == "gate_up":
            return first + 2 * np.arange(count) + part
        before = sum(one.tiles for one in self.layers[layer][:part])
        return first + before + np.arange(count)

    def _codes(self, layer: int) -> np.ndarray:
        codes = np.zeros(self.tiles, np.int64)
        for part, kind in enumerate(self.kinds[layer]):
            codes[self.rows(layer, part) - layer * self.tiles] = kind.code
        return codes


def obstacle(head: Head) -> Reason | None:
    """Why the file of a model that the compiled step can run is not opened straight, or None where it is."""
    if head.weights is None:
        return Reason("blocks", f"{CONVERTED}: transformers reads its tensors itself")

    made = {weight.name: weight for weight in head.weights}
    for parts in _named(head).values():
        for names in parts:
            for name in names:
                if (said := _odd(made.get(name), head.header, KIND_OF)) or (said := _ragged(made, names, head.header)):
                    return Reason("blocks", f"{CONVERTED}: {said}")
    return None


def _odd(weight: Weight | None, header: GgufHeader, known: Mapping[int, Any]) -> str:
    """What is odd about a matrix; empty where its blocks can become tiles."""
    from gguf import GGMLQuantizationType

    if weight is None:
        return "it lacks a matrix"
    if len(weight.sources) != 1 or not all(isinstance(step, RowOrder) for step in weight.steps[0]):
        return f"the numbers of {weight.sources[0]} are changed on the way"
    tensor = header.tensors[weight.sources[0]]
    if tensor.kind not in known:
        return f"weights of kind {GGMLQuantizationType(tensor.kind).name} have no tiles"
    return f"the rows of {tensor.name} fill no whole groups" if tensor.shape[1] % GROUP else ""


def _ragged(made: Mapping[str, Weight], names: Sequence[str], header: GgufHeader) -> str:
    """What is odd about the parts of a matrix together."""
    shapes = [header.tensors[made[name].sources[0]].shape for name in names if name in made]
    together = len(shapes) < 2 or (
        len({shape[1] for shape in shapes}) == 1 and not any(shape[0] % ROWS for shape in shapes)
    )
    return "" if together else f"the parts beside {names[0]} fill no whole tiles"


def become(head: Head) -> str:
    """What most of the weights become, such as "int4"."""
    found = Counter[int]()
    for stack in stacks(head):
        for kinds, sources in zip(stack.kinds, stack.layers, strict=True):
            for kind, source in zip(kinds, sources, strict=True):
                found[kind.bits] += math.prod(source.tensor.shape)
    return f"int{found.most_common(1)[0][0]}"


def bytes_of(head: Head) -> int:
    """Bytes of the tiles."""
    return sum(int(np.dot(stack.places()[-1, 1:], [4, 2, 2])) for stack in stacks(head))


def stacks(head: Head) -> list[Stack]:
    """The matrices that the compiled step reads."""
    assert head.weights is not None
    made = {weight.name: weight for weight in head.weights}
    found = []
    for name, parts in _named(head).items():
        layers = [[_source(made[one], head.header) for one in each] for each in parts]
        found.append(Stack(name, layers, [_kinds(sources) for sources in layers]))
    return found


def _named(head: Head) -> dict[str, list[list[str]]]:
    """The names of the tensors of each matrix, layer by layer."""
    layers = [f"model.layers.{layer}." for layer in range(head.config.num_hidden_layers)]
    found = {name: [[f"{layer}{part}" for part in parts] for layer in layers] for name, parts in PER_LAYER.items()}
    whole = {name: [parts] for name, parts in WHOLE.items()}
    if head.config.tie_word_embeddings:
        del whole["head"]
    return whole | found


def _source(weight: Weight, header: GgufHeader) -> Source:
    tensor = header.tensors[weight.sources[0]]
    order = np.arange(tensor.shape[0])
    for step in weight.steps[0]:
        assert isinstance(step, RowOrder)
        order = order[step.order(len(order))]
    return Source(tensor, order)


def _kinds(sources: Sequence[Source]) -> list[Kind]:
    """The kinds of tiles of the parts of one matrix: all at 8 bits where one is, because they share their vectors."""

    kinds = [KIND_OF[source.tensor.kind] for source in sources]
    return [EIGHT] * len(kinds) if EIGHT in kinds else kinds


class MappedFile:
    """The bytes of a file, whose pages are given back once they are read."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = np.frombuffer(self._map, np.uint8)

    def release(self, start: int, stop: int) -> None:
        """Give the pages of these bytes back to the operating system, where it can take them."""
        if hasattr(self._map, "madvise"):
            first = start // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, first, min(stop, len(self._map)) - first)


class Packing:
    """The arrays of the compiled step's weights, which threads make of the blocks of a file from now on."""

    def __init__(self, head: Head) -> None:
        self._head, self._arrays = head, Arrays()
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="pack")
        self._jobs: list[Future[int]] = []
        files = {path: MappedFile(path) for path in head.header.paths}
        try:
            for stack in stacks(head):
                self._begin(stack, files)
        except BaseException:
            self.end()
            raise

    def _begin(self, stack: Stack, files: Mapping[Path, MappedFile]) -> None:
        """Have the tiles of a stack packed."""
        from ...kernels import pack_blocks  # noqa: F401  # once, before several threads do
        from ...kernels.llvm_vectors import zeros

        places = stack.places()
        lengths, dtypes = places[-1, 1:], (np.int32, np.int16, np.int16)
        into = tuple(zeros(max(int(size), 1), dtype=kind) for size, kind in zip(lengths, dtypes, strict=True))
        self._jobs += [self._pool.submit(_pack_part, files, part, into) for part in _parts(stack, places)]
        size = np.array([stack.tiles, stack.groups, stack.kinds[0][0].vector_bits])
        named = ("words", "scale", "low", "places", "size")
        made = (*into, np.ascontiguousarray(places[:-1]), size)
        self._arrays |= {f"{stack.name}.{name}": array for name, array in zip(named, made, strict=True)}

    def arrays(self, stop: StopEvent) -> Generator[Loading, None, Arrays]:
        """Wait until all are made, and return them; raises Stopped."""
        from ..layer_tensors import add_vectors

        assert self._head.weights is not None
        shape = describe(self._head.model)
        assert isinstance(shape, LayerShape)
        total, done = sum(tensor.size for tensor in self._head.header.tensors.values()), 0
        try:
            for job in as_completed(self._jobs):
                done += job.result()
                yield Loading("reading the weights", done, total)
                if stop.is_set():
                    raise Stopped("Loading was stopped.", "Run it again.")
        finally:
            self.end()
        made_of = {weight.name: weight for weight in self._head.weights}
        add_vectors(shape, lambda name: tensor_of(made_of[name], self._head.header), self._arrays.__setitem__)
        return self._arrays

    def end(self) -> None:
        """End the threads, also where not all is made."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def tensor_of(weight: Weight, header: GgufHeader) -> torch.Tensor:
    """A tensor of the model as float32."""
    return torch.from_numpy(np.ascontiguousarray(weight.make([read_tensor(header.tensors[s]) for s in weight.sources])))


class Part(NamedTuple):
    """Some tiles of a matrix in the file: their rows, what they become, and where they go."""

    source: Source
    kind: Kind
    order: np.ndarray
    places: np.ndarray


def _parts(stack: Stack, places: np.ndarray) -> Iterator[Part]:
    for layer, sources in enumerate(stack.layers):
        for number, source in enumerate(sources):
            rows, kind = stack.rows(layer, number), stack.kinds[layer][number]
            tiles = max(1, PART // (source.tensor.shape[1] * ROWS))
            for first in range(0, len(rows), tiles):
                order = source.order[first * ROWS : (first + tiles) * ROWS]
                yield Part(source, kind, order, np.ascontiguousarray(places[rows[first : first + tiles], 1:]))


def _pack_part(files: Mapping[Path, MappedFile], part: Part, into: tuple[np.ndarray, ...]) -> int:
    """Pack some tiles; returns the bytes of the file that they were made of."""
    from ...kernels.pack_blocks import job_of, pack_tiles

    tensor, file = part.source.tensor, files[part.source.tensor.path]
    pack_tiles(file.data, job_of(tensor.kind, tensor.start, tensor.shape, part.kind), part.order, part.places, into)
    row = tensor.size // tensor.shape[0]
    first, last = int(part.order.min()), int(part.order.max()) + 1
    file.release(tensor.start + first * row, tensor.start + last * row)
    return row * len(part.order)
