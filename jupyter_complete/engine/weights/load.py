"""Load a transformers directory: check it first, read its weights as they are, and print nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError

from ...protocol.errors import BadOption, CompleteError, NotAModel, UnsafeModel
from ...protocol.phrases import count
from ...sources.catalog import PICKLED, refused_pickle
from ...sources.headers import directory_parameters
from ..machine import memory
from ..text.open_tokenizer import open_tokenizer
from .adapter import adapted, has_adapter
from .checkpoint import Checkpoint, Entries, Slice, stored
from .dequantize import READ, config_of, dequantized, method_of
from .text_part import text_config, text_entries

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

HEAD, SAMPLES, SAMPLE = 1 << 16, 16, 1 << 12  # of each file for a digest: bytes at its head, samples, bytes of one
KERNELS = ("attn_implementation", "experts_implementation")  # of a config; one named org/name is fetched from the hub


class Target(NamedTuple):
    """What weights become, and where; `auto` says that the dtype was chosen and not asked for.

    `bits` are those of most matrices where `dtype` is int8: 8, or 4 for "int4". `kv` is the KV cache asked for.
    """

    dtype: torch.dtype
    device: str
    auto: bool
    bits: int = 8
    kv: str = "auto"

    @property
    def name(self) -> str:
        return "int4" if self.bits == 4 else str(self.dtype).removeprefix("torch.")


class Loaded(NamedTuple):
    """A model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def choose(dtype: str, device: str, kv: str = "auto") -> Target:
    """Choose what "auto" stands for on this machine; raises BadOption for a device that this machine lacks."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise BadOption(f"There is no device {device!r} here.", "Use --device auto or cpu.") from None
    auto = dtype == "auto"
    if auto:
        dtype = {"cuda": "bfloat16", "mps": "float16"}.get(device.partition(":")[0], "int8")
    if dtype == "int4":
        return Target(torch.int8, device, auto, bits=4, kv=kv)
    return Target(getattr(torch, dtype), device, auto, kv=kv)


def check(folder: Path, name: str) -> dict[str, Any]:
    """Return the directory's config; raises NotAModel or UnsafeModel for what must not or cannot be loaded."""
    from transformers import CONFIG_MAPPING

    try:
        config: dict[str, Any] = dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise NotAModel(
            f"The config.json of {name} cannot be read.", "Save the model again with save_pretrained."
        ) from None
    if _asks_for_code(config):
        raise UnsafeModel(f"The config of {name} asks for code to be fetched.", "Do not use this model.")
    if config.get("model_type") not in CONFIG_MAPPING:
        if "auto_map" in config:
            raise UnsafeModel(
                f"{name} wants to run Python code of its own (trust_remote_code), which is never run here.",
                "Choose a model of an architecture that transformers knows.",
            )
        raise NotAModel(
            f"transformers does not know the model type {config.get('model_type')!r} of {name}.", "Update transformers."
        )
    if not any(folder.glob("*.safetensors")):
        pickled = next((path for path in folder.iterdir() if path.suffix in PICKLED), None)
        if pickled is not None:
            raise refused_pickle(f"{name}/{pickled.name}")
        raise NotAModel(f"{name} holds no safetensors weights.", "Save the model with save_pretrained.")
    return config


def parameters_of(folder: Path, name: str) -> int:
    """Weights of the model that is opened from a checked directory; raises NotAModel."""
    found, config = directory_parameters(folder), config_of(folder)
    if any(isinstance(value, dict) and "model_type" in value for value in config.values()):
        model = describe(folder, name).model
        if model.config.model_type != config["model_type"]:
            return sum(one.numel() for one in model.parameters())
    return found


def load(folder: Path, name: str, dtype: torch.dtype, device: str) -> Loaded:
    """Read a checked directory after its size was compared with the free memory; raises DoesNotFit or NotAModel."""
    memory.check_fit(name, parameters_of(folder, name), dtype, device)
    return read(folder, name, dtype, device)


def read(folder: Path, name: str, dtype: torch.dtype, device: str) -> Loaded:
    """Model and tokenizer of a checked directory, in eval mode on `device`; raises NotAModel."""
    try:
        with quiet():
            config, tokenizer = _config_and_tokenizer(folder)
            given = {"config": config, "dtype": dtype, "output_loading_info": True, "ignore_mismatched_sizes": True}
            if _as_it_is(folder, config):
                model, report = _kind(config).from_pretrained(
                    folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, **given
                )
            else:
                model, report = _read_entries(folder, name, config, given)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, SafetensorError) as error:
        raise unreadable(name, error) from None
    _check_whole(name, type(model).__name__, report)
    _check_tokenizer(name, tokenizer)
    return Loaded(model.to(device).eval(), tokenizer)


def _as_it_is(folder: Path, config: PretrainedConfig) -> bool:
    """Whether transformers reads the weights of a directory as a model of this config without help."""
    written = config_of(folder)
    return not has_adapter(folder) and method_of(written) not in READ and written["model_type"] == config.model_type


def _read_entries(folder: Path, name: str, config: PretrainedConfig, given: dict[str, Any]) -> Any:
    """As from_pretrained, of the tensors that this package makes of the files."""
    with torch.device("meta"):
        outline = _kind(config).from_config(config)
    with _entries(folder, name, outline) as entries:
        slices = {key: Slice(entry) for key, entry in entries.items()}
        model, report = type(outline).from_pretrained(None, state_dict=slices, **given)
    _set_generation_config(model, folder)
    return model, report


def _set_generation_config(model: PreTrainedModel, folder: Path) -> None:
    from transformers import GenerationConfig

    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)


def _kind(config: PretrainedConfig) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def _config_and_tokenizer(folder: Path) -> tuple[PretrainedConfig, PreTrainedTokenizerBase]:
    """Read config and tokenizer; raises NotAModel or ValueError, whatever the libraries raise."""
    try:
        return _read_config_and_tokenizer(folder)
    except (CompleteError, MemoryError):
        raise
    except Exception as error:  # tokenizers raises a bare Exception, a config's check an error of its own
        raise ValueError(str(error) or type(error).__name__) from None


def _read_config_and_tokenizer(folder: Path) -> tuple[PretrainedConfig, PreTrainedTokenizerBase]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    config._attn_implementation = None  # transformers picks one of its own, whatever the file says
    for part in {id(one): one for one in (config, config.get_text_config())}.values():
        if getattr(part, "quantization_config", None) and method_of(config_of(folder)) in READ:
            del part.quantization_config  # the weights are floats once this package has read them
    return text_config(config) or config, open_tokenizer(folder)


def _check_tokenizer(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # transformers makes an empty one where there is none
        raise NotAModel(f"{name} has no tokenizer.", "Save it beside the model: tokenizer.save_pretrained(directory).")


def describe(folder: Path, name: str) -> Loaded:
    """The model of a checked directory without weights (float32 on the meta device), and its tokenizer.

    Raises NotAModel.
    """
    try:
        with quiet():
            config, tokenizer = _config_and_tokenizer(folder)
            with torch.device("meta"):
                model = _kind(config).from_config(config, dtype=torch.float32)
            _set_generation_config(model, folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise unreadable(name, error) from None
    _check_tokenizer(name, tokenizer)
    return Loaded(model.eval(), tokenizer)


@contextmanager
def tensors(folder: Path, name: str, model: PreTrainedModel) -> Iterator[Checkpoint]:
    """Give the tensors of a directory by the names of `model`; raises NotAModel where the files do not fit it."""
    with _entries(folder, name, model) as entries:
        found = Checkpoint(entries, model)
        _check_whole(name, type(model).__name__, {"missing_keys": found.missing, "mismatched_keys": found.odd})
        yield found


@contextmanager
def _entries(folder: Path, name: str, model: PreTrainedModel) -> Iterator[Entries]:
    """The tensors of a directory's files that are of `model`, as numbers and not as codes of them."""
    from safetensors import safe_open

    with ExitStack() as files:
        try:
            shards = [files.enter_context(safe_open(path, "pt")) for path in sorted(folder.glob("*.safetensors"))]
        except (OSError, SafetensorError) as error:
            raise unreadable(name, error) from None
        entries, config = stored(shards), config_of(folder)
        if method_of(config) in READ:
            entries = dequantized(entries)
        if has_adapter(folder):
            entries = adapted(entries, folder, name)
        yield entries if config["model_type"] == model.config.model_type else text_entries(entries, model)


def _check_whole(name: str, kind: str, report: Mapping[str, Any]) -> None:
    """Raise NotAModel for tensors that are missing or of another shape: transformers would fill them at random."""
    missing, odd = sorted(report["missing_keys"]), sorted(report["mismatched_keys"])
    if missing:
        said = f"{name} lacks {count(len(missing), 'tensor')} of a {kind}, {missing[0]} among them."
    elif odd:
        tensor, has, wants = odd[0]
        said = f"{name} has {tensor} of shape {list(has)}, where its config asks for {list(wants)}."
    else:
        return
    raise NotAModel(said, "Save the whole language model with save_pretrained.")


def _asks_for_code(config: object) -> bool:
    """Whether the config, or a config inside it, names a kernel that transformers would fetch and run."""
    if not isinstance(config, dict):
        return False
    return any(
        key.endswith(tuple(f"{kernel}_internal" for kernel in KERNELS))
        or (key.endswith(KERNELS) and "/" in str(value))
        or _asks_for_code(value)
        for key, value in config.items()
    )


def unreadable(name: str, error: Exception) -> NotAModel:
    """Return an error of one sentence for an error of the libraries that read models."""
    reason = " ".join(str(error).split()).partition(". ")[0] or type(error).__name__
    return NotAModel(
        f"{name} cannot be loaded: {reason[:200].rstrip('.')}.", "Check that it is a whole language model."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Switch off progress bars and warnings of transformers inside the block."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def digest(folder: Path) -> str:
    """A digest of a directory's config and of samples of its weights, all of which another training changes."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors"), *folder.glob("adapter/*")]):
        size = path.stat().st_size
        digest.update(path.name.encode() + str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(HEAD))
            for sample in range(1, SAMPLES + 1):
                file.seek(max(0, size * sample // SAMPLES - SAMPLE))
                digest.update(file.read(SAMPLE))
    return "files:" + digest.hexdigest()[:16]
