"""What a GGUF file describes, from its header: the config, the model without weights, and how its tensors are made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ....protocol.errors import NotAModel
from ....sources.gguf_file import GgufHeader, read_header
from ..load import quiet, unreadable
from . import transformers_reader
from .families.table import FAMILIES
from .fields import Fields
from .names import Weight, weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

# Raised by transformers, gguf and numpy for headers that make no sense.
UNREADABLE = (ValueError, KeyError, NotImplementedError, TypeError, AttributeError, ArithmeticError, LookupError)
_PARTS = {
    "clip": "the part of a model that reads pictures or sounds (mmproj)",
    "mmproj": "the part of a model that reads pictures or sounds (mmproj)",
    "adapter": "an adapter (LoRA) for another model",
    "imatrix": "the importances of another model's weights",
}


class Head(NamedTuple):
    """A file's header, and what it describes: the config, and the model without weights (on the meta device).

    `weights` says how the tensors are made; it is None for an architecture that transformers itself reads.
    """

    header: GgufHeader
    config: PretrainedConfig
    model: PreTrainedModel
    weights: list[Weight] | None


def read_head(path: Path, name: str) -> Head:
    """What the file at `path` describes; raises NotAModel for a file of another kind or an unknown architecture."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    header = read_header(path)
    check_architecture(header, name)
    try:
        with quiet():
            config = _config(header)
            kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            with torch.device("meta"):
                model = kind.from_config(config, dtype=torch.float32)
        return Head(header, config, model, _weights(header, config))
    except NotAModel:
        raise
    except UNREADABLE as error:
        raise unreadable(name, error) from None


def check_architecture(header: GgufHeader, name: str) -> None:
    """Raise NotAModel, in one sentence, for a file that holds no language model of an architecture known here."""
    architecture = header.architecture
    part = _PARTS.get(str(header.metadata.get("general.type"))) or _PARTS.get(architecture)
    if part is not None:
        raise NotAModel(f"{name} is {part}, which completes no text by itself.", "Name the language model's own file.")
    if architecture not in FAMILIES and architecture not in transformers_reader.KNOWN:
        known = ", ".join(sorted([*FAMILIES, *transformers_reader.KNOWN]))
        raise NotAModel(
            f"{name} has the architecture {architecture!r}, which is not known here.",
            f"Known architectures of GGUF files are {known}.",
        )


def _config(header: GgufHeader) -> PretrainedConfig:
    from transformers import AutoConfig

    if header.architecture in transformers_reader.KNOWN:
        return transformers_reader.config(header.paths[0])
    found = FAMILIES[header.architecture].config(Fields(header))
    return AutoConfig.for_model(**found)


def _weights(header: GgufHeader, config: PretrainedConfig) -> list[Weight] | None:
    if header.architecture in transformers_reader.KNOWN:
        return None
    family, fields = FAMILIES[header.architecture], Fields(header)
    return weights(fields, family.rules(family.config(fields)), family.layers)
