"""Convert a GGUF file into a transformers directory in the cache, once: float32 safetensors, tokenizer, config.

Reading tensor by tensor keeps memory flat, reports progress and can be stopped. The result is exact: each number is
what the GGUF's own format says.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING

from ....protocol.errors import NotAModel, Stopped
from ....protocol.events import Loading
from ....protocol.phrases import count
from ....protocol.plan import CacheEntry
from ....sources import cache, seal
from ....sources.gguf_file import GgufHeader, read_header
from ..load import unreadable
from ..safetensors_file import SafetensorsWriter
from . import transformers_reader
from .head import UNREADABLE, Head, read_head
from .header_files import check_stop, digest_of, place_of, write_provenance, write_texts
from .names import Weight
from .read import read_tensor
from .steps import Array

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VERSION = 2  # of what is written; a newer one converts again


def entry(path: Path, parameters: int) -> CacheEntry:
    """The conversion of the GGUF file at `path` with so many parameters, there or not."""
    target = place(path)
    if seal.whole(target):
        return CacheEntry(target, True, cache.bytes_in(target), 0)
    return CacheEntry(target, False, 4 * parameters, 4 * parameters)


def place(path: Path) -> Path:
    """Where in the cache the conversion of the GGUF file at `path` lies once it is made; one place for all parts."""
    return place_of(path, "converted", VERSION)


def convert(path: Path, name: str, stop: StopEvent, head: Head | None = None) -> Generator[Loading, None, Path]:
    """Convert the file at `path` unless the cache has its conversion; return the directory.

    `head` saves reading the head a second time. A stopped or killed conversion leaves nothing behind that counts.
    Raises NotAModel, DoesNotFit or Stopped.
    """
    target = place(path)
    if seal.whole(target):
        return target
    header = read_header(path)
    with cache.build(target, needed=4 * header.parameters) as part:
        digest = yield from digest_of(header.paths, stop)
        yield Loading("converting once: reading the file's head")
        head = head or read_head(path, name)
        check_stop(stop)
        yield from _write(path, name, head, part, stop, digest)
    return target


def _write(path: Path, name: str, head: Head, part: Path, stop: StopEvent, digest: str) -> Iterator[Loading]:
    """Write tokenizer, weights, config and provenance of the file at `path` into the directory `part`."""
    try:
        yield Loading("converting once: building the tokenizer")
        write_texts(head, part)
        check_stop(stop)
        yield Loading("converting once: naming the tensors")
        yield from _write_weights(head, part, stop)
    except (NotAModel, Stopped):
        raise
    except UNREADABLE as error:
        raise unreadable(name, error) from None
    write_provenance(path, head.header, digest, part)


def _write_weights(head: Head, part: Path, stop: StopEvent) -> Iterator[Loading]:
    """Write model.safetensors; raises NotAModel where the file lacks a tensor of the model."""
    shapes = {name: tuple(tensor.shape) for name, tensor in head.model.state_dict().items()}
    sizes = {tensor.name: tensor.size for tensor in head.header.tensors.values()}
    total, done = sum(sizes.values()), 0
    made = _made(head.header, head.weights) if head.weights else transformers_reader.tensors(head.header, head.model)
    with SafetensorsWriter(part / "model.safetensors") as writer:
        for step in made:
            check_stop(stop)
            source = step if isinstance(step, str) else step[0]
            if not isinstance(step, str) and (head.weights is None or step[1] in shapes):
                writer.add(step[1], _shaped(step[2], shapes.get(step[1]), head.header, source))
            if source in sizes:
                done += sizes[source]
                yield Loading("converting once: weights", done, total)
    _check_whole(head.header, head.model, set(shapes) - writer.names)


def _made(header: GgufHeader, weights: Iterable[Weight]) -> Iterator[tuple[str, str, Array] | str]:
    """Each tensor of the file once, and with the last of those that a weight is made of, the weight."""
    told: set[str] = set()
    for weight in weights:
        array = weight.make([read_tensor(header.tensors[source]) for source in weight.sources])
        *before, last = weight.sources
        yield from (source for source in before if source not in told)
        yield (last if last not in told else "", weight.name, array)
        told |= {*weight.sources}
    yield from (name for name in header.tensors if name not in told)


def _shaped(array: Array, shape: tuple[int, ...] | None, header: GgufHeader, source: str) -> Array:
    """The array in the model's shape, which may have axes of length 1 that the file leaves out."""
    if shape is not None and math.prod(shape) != array.size:
        raise NotAModel(
            f"{header.paths[0].name} has {source} of shape {list(array.shape)}, where its header asks for "
            f"{list(shape)}.",
            "Download it again.",
        )
    return array.reshape(shape) if shape is not None else array


def _check_whole(header: GgufHeader, model: PreTrainedModel, missing: set[str]) -> None:
    missing -= set(getattr(model, "_tied_weights_keys", None) or ())
    if missing:
        raise NotAModel(
            f"{header.paths[0].name} lacks {count(len(missing), 'tensor')}, {min(missing)} among them.",
            "Download it again.",
        )
