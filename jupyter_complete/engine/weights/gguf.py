"""A GGUF file to a transformers directory in the cache, once: float32 safetensors, tokenizer, config.

transformers knows the names and shapes of every architecture; reading tensor by tensor here keeps memory flat, tells
the progress and can be stopped. The result is exact: each number is what the GGUF's own format says.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

from ...protocol.errors import NotAModel, Stopped
from ...protocol.events import Loading
from ...sources import cache
from ...sources.headers import gguf_parameters
from .load import quiet, unreadable
from .safetensors_file import SafetensorsWriter

VERSION = 1  # of what is written; a newer one converts again
BLOCK = 1 << 22
STATED = "source.json"


def converted(path: Path) -> Path:
    """Where the conversion of the GGUF file at `path` lies, or will."""
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{VERSION}"
    return cache.root() / "converted" / f"{path.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def convert(path: Path, name: str, stop: StopEvent) -> Generator[Loading, None, Path]:
    """Convert unless that was done before; the directory. Killed or stopped, it leaves nothing half made."""
    target = converted(path)
    if target.is_dir():
        return target
    parameters = gguf_parameters(path)
    with cache.filled(target, needed=4 * parameters) as part:
        yield from _steps(path, name, part, parameters, stop)
    return target


def _steps(path: Path, name: str, part: Path, parameters: int, stop: StopEvent) -> Iterator[Loading]:
    digest = yield from _digest(path, stop)
    try:
        yield Loading("converting once: reading the file's head")
        config, model = _skeleton(path)
        _look(stop)
        yield Loading("converting once: building the tokenizer")
        _save_tokenizer(path, part)
        _look(stop)
        yield Loading("converting once: naming the tensors")
        stored = yield from _write_weights(path, config, model, part, stop)
    except (NotAModel, Stopped):
        raise
    except (ValueError, KeyError, NotImplementedError, TypeError, AttributeError) as error:
        raise unreadable(name, error) from None
    with quiet():
        config.save_pretrained(part)
        if model.can_generate():
            model.generation_config.save_pretrained(part)
    (part / STATED).write_text(json.dumps({"file": path.name, "sha256": digest, "stored_as": stored}))


def _look(stop: StopEvent) -> None:
    if stop.is_set():
        raise Stopped("The conversion was stopped.", "Run it again to start over.")


def _digest(path: Path, stop: StopEvent) -> Generator[Loading, None, str]:
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            _look(stop)
            digest.update(block)
            done += len(block)
            yield Loading("checking the file", done, total)
    return digest.hexdigest()


def _skeleton(path: Path) -> tuple[Any, Any]:
    """The config, and the model without weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    with quiet():
        config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        with torch.device("meta"):
            return config, kind.from_config(config)


def _save_tokenizer(path: Path, part: Path) -> None:
    from transformers import AutoTokenizer

    with quiet():
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(part)


def _write_weights(path: Path, config: Any, model: Any, part: Path, stop: StopEvent) -> Generator[Loading, None, str]:
    """Write model.safetensors; what most of the weights were stored as."""
    from gguf import GGUFReader, dequantize
    from transformers import modeling_gguf_pytorch_utils as names

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
            _look(stop)
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
