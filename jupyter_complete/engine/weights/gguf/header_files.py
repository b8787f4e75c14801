"""What transformers reads besides weights, written from a GGUF header once: the config, the tokenizer, provenance.

For a file that is opened straight the cache keeps this alone: a directory of a few megabytes without weights.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any

from ....protocol.errors import NotAModel, Stopped
from ....protocol.events import Loading
from ....protocol.plan import CacheEntry
from ....sources import cache, local_stores, seal
from ....sources.gguf_file import GgufHeader, parts_of
from ..load import quiet, unreadable
from . import transformers_reader
from .ends import end_ids
from .fields import Fields
from .head import UNREADABLE, Head
from .tokenizer import tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VERSION = "header 1"  # of what is written; a newer one writes it again
BLOCK = 1 << 22
ESTIMATE = 16 << 20  # bytes of the directory, from above
PROVENANCE = "source.json"
# The sampling that a model recommends, in its header and in what Ollama keeps beside it.
SAMPLING = {"temp": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p"}
OLLAMA = {name: name for name in ("temperature", "top_p", "top_k", "min_p")} | {"repeat_penalty": "repetition_penalty"}


def entry(path: Path) -> CacheEntry:
    """The directory for the GGUF file at `path`, there or not."""
    target = place_of(path, "headers", VERSION)
    if seal.whole(target):
        return CacheEntry(target, True, cache.bytes_in(target), 0)
    return CacheEntry(target, False, ESTIMATE, ESTIMATE)


def place_of(path: Path, room: str, version: int | str) -> Path:
    """A place in a room of the cache for what is made of the GGUF file at `path`; one place for all parts."""
    parts = parts_of(path)
    states = [f"{stat.st_size}|{stat.st_mtime_ns}" for stat in (part.stat() for part in parts)]
    key = "|".join([str(parts[0].resolve()), *states, str(version)])
    return cache.root() / room / f"{parts[0].stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def keep(path: Path, name: str, head: Head, stop: StopEvent) -> Generator[Loading, None, Path]:
    """Write the directory for the file at `path` unless the cache has it; raises NotAModel, DoesNotFit or Stopped."""
    found = entry(path)
    assert found.path is not None
    if found.exists:
        return found.path
    with cache.build(found.path, found.reserve) as part:
        digest = yield from digest_of(head.header.paths, stop)
        yield Loading("building the tokenizer once")
        try:
            write_texts(head, part)
        except NotAModel:
            raise
        except UNREADABLE as error:
            raise unreadable(name, error) from None
        check_stop(stop)
        write_provenance(path, head.header, digest, part)
    return found.path


def write_provenance(path: Path, header: GgufHeader, digest: str, part: Path) -> None:
    """Write which file it is, and the type of most of its weights."""
    stored = {"file": path.name, "sha256": digest, "stored_as": stored_as(header)}
    (part / PROVENANCE).write_text(json.dumps(stored))


def write_texts(head: Head, part: Path) -> None:
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


def check_stop(stop: StopEvent) -> None:
    """Raise Stopped once `stop` is set."""
    if stop.is_set():
        raise Stopped("The conversion was stopped.", "Run it again to start over.")


def digest_of(paths: Sequence[Path], stop: StopEvent) -> Generator[Loading, None, str]:
    """The sha256 of a model's files."""
    digest, total, done = hashlib.sha256(), sum(path.stat().st_size for path in paths), 0
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                check_stop(stop)
                digest.update(block)
                done += len(block)
                yield Loading("checking the file", done, total)
    return digest.hexdigest()


def stored_as(header: GgufHeader) -> str:
    """The GGUF type that most of the weights have."""
    from gguf import GGMLQuantizationType

    stored: Counter[int] = Counter()
    for tensor in header.tensors.values():
        stored[tensor.kind] += math.prod(tensor.shape)
    return str(GGMLQuantizationType(stored.most_common(1)[0][0]).name)
