"""Convert a GGUF file into a transformers directory in the cache, once: float32 safetensors, tokenizer, config.

transformers knows the names and shapes of every architecture. Reading tensor by tensor keeps memory flat, reports
progress and can be stopped. The result is exact: each number is what the GGUF's own format says.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any, NamedTuple

from ...protocol.errors import NotAModel, Stopped
from ...protocol.events import Loading
from ...protocol.plan import CacheEntry
from ...sources import cache
from ...sources.headers import gguf_parameters
from .load import quiet, unreadable
from .safetensors_file import SafetensorsWriter

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

VERSION = 1  # of what is written; a newer one converts again
BLOCK = 1 << 22
PROVENANCE = "source.json"
UNREADABLE = (ValueError, KeyError, NotImplementedError, TypeError, AttributeError)  # raised by transformers and gguf


class Head(NamedTuple):
    """What the head of a GGUF file describes: the config, and the model without weights (on the meta device)."""

    config: PretrainedConfig
    model: PreTrainedModel


def entry(path: Path, parameters: int) -> CacheEntry:
    """The conversion of the GGUF file at `path` with so many parameters, there or not."""
    target = place(path)
    if target.is_dir():
        return CacheEntry(target, True, cache.bytes_in(target), 0)
    return CacheEntry(target, False, 4 * parameters, 4 * parameters)


def place(path: Path) -> Path:
    """Where in the cache the conversion of the GGUF file at `path` lies once it is made."""
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{VERSION}"
    return cache.root() / "converted" / f"{path.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def convert(path: Path, name: str, stop: StopEvent, head: Head | None = None) -> Generator[Loading, None, Path]:
    """Convert the file at `path` unless the cache has its conversion; return the directory.

    `head` saves reading the head a second time. A stopped or killed conversion leaves nothing behind that counts.
    Raises NotAModel, DoesNotFit or Stopped.
    """
    target = place(path)
    if target.is_dir():
        return target
    parameters = gguf_parameters(path)
    with cache.build(target, needed=4 * parameters) as part:
        digest = yield from _digest(path, stop)
        yield Loading("converting once: reading the file's head")
        head = head or read_head(path, name)
        _check_stop(stop)
        yield from _write(path, name, head, part, stop, digest)
    return target


def read_head(path: Path, name: str) -> Head:
    """Read the head of the file at `path`; raises NotAModel. This takes some seconds for a large vocabulary."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    try:
        with quiet():
            config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
            kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            with torch.device("meta"):
                return Head(config, kind.from_config(config))
    except UNREADABLE as error:
        raise unreadable(name, error) from None


def _write(path: Path, name: str, head: Head, part: Path, stop: StopEvent, digest: str) -> Iterator[Loading]:
    """Write tokenizer, weights, config and provenance of the file at `path` into the directory `part`."""
    config, model = head
    try:
        yield Loading("converting once: building the tokenizer")
        _save_tokenizer(path, part)
        _check_stop(stop)
        yield Loading("converting once: naming the tensors")
        stored = yield from _write_weights(path, head, part, stop)
    except (NotAModel, Stopped):
        raise
    except UNREADABLE as error:
        raise unreadable(name, error) from None
    with quiet():
        config.save_pretrained(part)
        if model.can_generate():
            model.generation_config.save_pretrained(part)
    (part / PROVENANCE).write_text(json.dumps({"file": path.name, "sha256": digest, "stored_as": stored}))


def _check_stop(stop: StopEvent) -> None:
    if stop.is_set():
        raise Stopped("The conversion was stopped.", "Run it again to start over.")


def _digest(path: Path, stop: StopEvent) -> Generator[Loading, None, str]:
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            _check_stop(stop)
            digest.update(block)
            done += len(block)
            yield Loading("checking the file", done, total)
    return digest.hexdigest()


def _save_tokenizer(path: Path, part: Path) -> None:
    from transformers import AutoTokenizer

    with quiet():
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(part)


def _write_weights(path: Path, head: Head, part: Path, stop: StopEvent) -> Generator[Loading, None, str]:
    """Write model.safetensors; return the GGUF type that most of the weights have."""
    from gguf import GGUFReader, dequantize
    from transformers import modeling_gguf_pytorch_utils as names

    config, model = head
    reader = GGUFReader(path)
    architecture = str(reader.get_field("general.architecture").contents())
    processor = names.TENSOR_PROCESSORS.get(architecture, names.TensorProcessor)(config=config.to_dict())
    mapping = names.get_gguf_hf_weights_map(model, processor)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored: Counter[str] = Counter()
    parsed: dict[str, Any] = {"tensors": {}}
    with SafetensorsWriter(part / "model.safetensors") as writer:
        total, done = sum(int(tensor.n_bytes) for tensor in reader.tensors), 0
        for tensor in reader.tensors:
            _check_stop(stop)
            result = processor.process(
                weights=dequantize(tensor.data, tensor.tensor_type),
                name=tensor.name,
                tensor_key_mapping=mapping,
                parsed_parameters=parsed,
            )
            if result.name in mapping:
                target = mapping[result.name]
                writer.add(target, result.weights.reshape(shapes.get(target, result.weights.shape)))
            done += int(tensor.n_bytes)
            stored[tensor.tensor_type.name] += int(tensor.n_elements)
            yield Loading("converting once: weights", done, total)
        for target, weights in parsed["tensors"].items():
            writer.add(target, weights.numpy())
    missing = set(shapes) - writer.names - set(getattr(model, "_tied_weights_keys", None) or ())
    if missing:
        raise NotAModel(f"{path.name} lacks {len(missing)} tensors, {min(missing)} among them.", "Download it again.")
    return stored.most_common(1)[0][0]
