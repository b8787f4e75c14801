"""Load a transformers directory: check it first, read its weights as they are, and print nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError

from ...protocol.errors import BadOption, NotAModel, UnsafeModel
from ...protocol.phrases import count
from ...sources.catalog import PICKLED, refused_pickle
from ...sources.headers import directory_parameters
from ..machine import memory
from ..text.open_tokenizer import open_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

KERNELS = ("attn_implementation", "experts_implementation")  # of a config; one named org/name is fetched from the hub


class Target(NamedTuple):
    """What weights become, and where; `auto` says that the dtype was chosen and not asked for."""

    dtype: torch.dtype
    device: str
    auto: bool


class Loaded(NamedTuple):
    """A model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def choose(dtype: str, device: str) -> Target:
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
    return Target(getattr(torch, dtype), device, auto)


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


def load(folder: Path, name: str, dtype: torch.dtype, device: str) -> Loaded:
    """Read a checked directory after its size was compared with the free memory; raises DoesNotFit or NotAModel."""
    memory.check_fit(name, directory_parameters(folder), dtype, device)
    return read(folder, name, dtype, device)


def read(folder: Path, name: str, dtype: torch.dtype, device: str) -> Loaded:
    """Model and tokenizer of a checked directory, in eval mode on `device`; raises NotAModel."""
    try:
        with quiet():
            config, tokenizer = _config_and_tokenizer(folder)
            kind = _kind(config)
            model, report = kind.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, SafetensorError) as error:
        raise unreadable(name, error) from None
    _check_whole(name, type(model).__name__, report)
    _check_tokenizer(name, tokenizer)
    return Loaded(model.to(device).eval(), tokenizer)


def _kind(config: PretrainedConfig) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def _config_and_tokenizer(folder: Path) -> tuple[PretrainedConfig, PreTrainedTokenizerBase]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    config._attn_implementation = None  # transformers picks one of its own, whatever the file says
    return config, open_tokenizer(folder)


def _check_tokenizer(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # transformers makes an empty one where there is none
        raise NotAModel(f"{name} has no tokenizer.", "Save it beside the model: tokenizer.save_pretrained(directory).")


def describe(folder: Path, name: str) -> Loaded:
    """The model of a checked directory without weights (float32 on the meta device), and its tokenizer.

    Raises NotAModel.
    """
    from transformers import GenerationConfig

    try:
        with quiet():
            config, tokenizer = _config_and_tokenizer(folder)
            with torch.device("meta"):
                model = _kind(config).from_config(config, dtype=torch.float32)
            if (folder / "generation_config.json").is_file():
                model.generation_config = GenerationConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise unreadable(name, error) from None
    _check_tokenizer(name, tokenizer)
    return Loaded(model.eval(), tokenizer)


@contextmanager
def tensors(folder: Path, name: str, model: PreTrainedModel) -> Iterator[Callable[[str], torch.Tensor]]:
    """Give a function that reads a tensor of a directory by its name.

    Raises NotAModel where names or shapes of the tensors differ from those of `model`.
    """
    from safetensors import safe_open

    with ExitStack() as files:
        try:
            shards = [files.enter_context(safe_open(path, "pt")) for path in sorted(folder.glob("*.safetensors"))]
        except (OSError, SafetensorError) as error:
            raise unreadable(name, error) from None
        found = {key: file for file in shards for key in file.keys()}  # noqa: SIM118
        wanted = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
        if model.config.tie_word_embeddings:
            wanted.pop("lm_head.weight", None)
        shapes = {key: found[key].get_slice(key).get_shape() for key in wanted.keys() & found.keys()}
        odd = [(key, shape, wanted[key]) for key, shape in shapes.items() if shape != wanted[key]]
        missing = wanted.keys() - found.keys()
        _check_whole(name, type(model).__name__, {"missing_keys": missing, "mismatched_keys": odd})
        yield lambda key: found[key].get_tensor(key)


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
    reason = " ".join(str(error).split()) or type(error).__name__
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
