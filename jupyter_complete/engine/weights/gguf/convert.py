"""Convert a GGUF file into a transformers directory in the cache, once: float32 safetensors, tokenizer, config.

Reading tensor by tensor keeps memory flat, reports progress and can be stopped. The result is exact: each number is
what the GGUF's own format says.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any

from ....protocol.errors import NotAModel, Stopped
from ....protocol.events import Loading
from ....protocol.phrases import count
from ....protocol.plan import CacheEntry
from ....sources import cache, local_stores
from ....sources.gguf_file import GgufHeader, parts_of, read_header
from ..load import quiet, unreadable
from ..safetensors_file import SafetensorsWriter
from . import transformers_reader
from .ends import end_ids
from .fields import Fields
from .head import UNREADABLE, Head, read_head
from .names import Weight
from .read import read_tensor
from .steps import Array
from .tokenizer import tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

VERSION = 2  # of what is written; a newer one converts again
BLOCK = 1 << 22
PROVENANCE = "source.json"
# The sampling that a model recommends, in its header and in what Ollama keeps beside it.
SAMPLING = {"temp": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p"}
OLLAMA = {name: name for name in ("temperature", "top_p", "top_k", "min_p")} | {"repeat_penalty": "repetition_penalty"}


def entry(path: Path, parameters: int) -> CacheEntry:
    """The conversion of the GGUF file at `path` with so many parameters, there or not."""
    target = place(path)
    if target.is_dir():
        return CacheEntry(target, True, cache.bytes_in(target), 0)
    return CacheEntry(target, False, 4 * parameters, 4 * parameters)


def place(path: Path) -> Path:
    """Where in the cache the conversion of the GGUF file at `path` lies once it is made; one place for all parts."""
    parts = parts_of(path)
    states = [f"{stat.st_size}|{stat.st_mtime_ns}" for stat in (part.stat() for part in parts)]
    key = "|".join([str(parts[0].resolve()), *states, str(VERSION)])
    return cache.root() / "converted" / f"{parts[0].stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def convert(path: Path, name: str, stop: StopEvent, head: Head | None = None) -> Generator[Loading, None, Path]:
    """Convert the file at `path` unless the cache has its conversion; return the directory.

    `head` saves reading the head a second time. A stopped or killed conversion leaves nothing behind that counts.
    Raises NotAModel, DoesNotFit or Stopped.
    """
    target = place(path)
    if target.is_dir():
        return target
    header = read_header(path)
    with cache.build(target, needed=4 * header.parameters) as part:
        digest = yield from _digest(header, stop)
        yield Loading("converting once: reading the file's head")
        head = head or read_head(path, name)
        _check_stop(stop)
        yield from _write(path, name, head, part, stop, digest)
    return target


def _write(path: Path, name: str, head: Head, part: Path, stop: StopEvent, digest: str) -> Iterator[Loading]:
    """Write tokenizer, weights, config and provenance of the file at `path` into the directory `part`."""
    try:
        yield Loading("converting once: building the tokenizer")
        _write_texts(head, part)
        _check_stop(stop)
        yield Loading("converting once: naming the tensors")
        yield from _write_weights(head, part, stop)
    except (NotAModel, Stopped):
        raise
    except UNREADABLE as error:
        raise unreadable(name, error) from None
    stored = {"file": path.name, "sha256": digest, "stored_as": _stored_as(head.header)}
    (part / PROVENANCE).write_text(json.dumps(stored))


def _write_texts(head: Head, part: Path) -> None:
    """Write the tokenizer, and the config with the tokens that end an answer."""
    with quiet():
        if head.weights is None:
            transformers_reader.tokenizer(head.header.paths[0]).save_pretrained(part)
        else:
            found = tokenizer(Fields(head.header))
            found.save_pretrained(part)
            _set_generation(head, found)
        head.config.save_pretrained(part)
        if head.model.can_generate():
            head.model.generation_config.save_pretrained(part)


def _set_generation(head: Head, found: PreTrainedTokenizerBase) -> None:
    """Put the ends of an answer, and the sampling that the file recommends, into the model's generation config."""
    generation: Any = head.model.generation_config
    ends = end_ids(Fields(head.header), found)
    generation.eos_token_id = ends if len(ends) > 1 else ends[0] if ends else None
    recommended = {name: head.header.metadata.get(f"general.sampling.{key}") for key, name in SAMPLING.items()}
    kept = local_stores.parameters(head.header.paths[0])
    recommended |= {name: kept[key] for key, name in OLLAMA.items() if key in kept}
    stated = {name: value for name, value in recommended.items() if value is not None}
    if stated:
        generation.update(**stated, do_sample=True)


def _check_stop(stop: StopEvent) -> None:
    if stop.is_set():
        raise Stopped("The conversion was stopped.", "Run it again to start over.")


def _digest(header: GgufHeader, stop: StopEvent) -> Generator[Loading, None, str]:
    digest, total, done = hashlib.sha256(), sum(path.stat().st_size for path in header.paths), 0
    for path in header.paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                _check_stop(stop)
                digest.update(block)
                done += len(block)
                yield Loading("checking the file", done, total)
    return digest.hexdigest()


def _stored_as(header: GgufHeader) -> str:
    """The GGUF type that most of the weights have."""
    from gguf import GGMLQuantizationType

    stored: Counter[int] = Counter()
    for tensor in header.tensors.values():
        stored[tensor.kind] += math.prod(tensor.shape)
    return str(GGMLQuantizationType(stored.most_common(1)[0][0]).name)


def _write_weights(head: Head, part: Path, stop: StopEvent) -> Iterator[Loading]:
    """Write model.safetensors; raises NotAModel where the file lacks a tensor of the model."""
    shapes = {name: tuple(tensor.shape) for name, tensor in head.model.state_dict().items()}
    sizes = {tensor.name: tensor.size for tensor in head.header.tensors.values()}
    total, done = sum(sizes.values()), 0
    made = _made(head.header, head.weights) if head.weights else transformers_reader.tensors(head.header, head.model)
    with SafetensorsWriter(part / "model.safetensors") as writer:
        for step in made:
            _check_stop(stop)
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
