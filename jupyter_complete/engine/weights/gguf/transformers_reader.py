"""Older architectures of GGUF files as transformers itself reads them: config, tokenizer and names of tensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....sources.gguf_file import GgufHeader
from .read import read_tensor
from .steps import Array

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

KNOWN = ("bloom", "deci", "falcon", "mamba", "minimax-m2", "t5")


def config(path: Path) -> PretrainedConfig:
    """The config as transformers reads it."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(path.parent, gguf_file=path.name)


def tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer as transformers reads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def tensors(header: GgufHeader, model: PreTrainedModel) -> Iterator[tuple[str, str, Array] | str]:
    """The tensors of the model: the file's name, transformers' name, and the numbers; the file's name alone where it
    goes nowhere or is a part of one that follows."""
    from transformers import modeling_gguf_pytorch_utils as names

    processor = names.TENSOR_PROCESSORS.get(header.architecture, names.TensorProcessor)(config=model.config.to_dict())
    mapping = names.get_gguf_hf_weights_map(model, processor)
    parsed: dict[str, Any] = {"tensors": {}}
    for tensor in header.tensors.values():
        result = processor.process(
            weights=read_tensor(tensor), name=tensor.name, tensor_key_mapping=mapping, parsed_parameters=parsed
        )
        found = result.name in mapping
        yield (tensor.name, mapping[result.name], result.weights) if found else tensor.name
    for target, weights in parsed["tensors"].items():
        yield target, target, weights.numpy()
