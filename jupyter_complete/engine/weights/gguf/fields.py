"""What a GGUF header says about the model, read by the keys of its architecture."""

from __future__ import annotations

from ....protocol.errors import NotAModel
from ....sources.gguf_file import GgufHeader, Scalar, Value
from .read import read_tensor


class Fields:
    """The metadata and tensors of a header; keys are without the name of the architecture."""

    def __init__(self, header: GgufHeader) -> None:
        self.header = header
        self.file = header.paths[0].name
        self.leaves = {_leaf(name) for name in header.tensors}

    def get(self, key: str) -> Value | None:
        """The value of `ARCHITECTURE.key`, or None."""
        return self.header.metadata.get(f"{self.header.architecture}.{key}")

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number, the largest where there is one for each layer; raises NotAModel where it is missing."""
        return int(self.number(key, default))

    def number(self, key: str, default: float | None = None) -> float:
        """A number, the largest where there is one for each layer; raises NotAModel where it is missing."""
        value = self.get(key)
        if value is None and default is not None:
            return default
        return max(map(_number, value)) if isinstance(value, list) else _number(self._present(key, value))

    def optional(self, key: str) -> float | None:
        """A number, or None where the header lacks it."""
        return None if self.get(key) is None else self.number(key)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.get(key)
        return default if value is None else bool(value)

    def text(self, key: str, default: str = "") -> str:
        value = self.get(key)
        return default if value is None else str(value)

    def each_layer(self, key: str, default: int | None = None) -> list[int]:
        """A whole number for each layer: the header has a list, or one number for all."""
        value = self.get(key)
        if isinstance(value, list):
            return [int(_number(one)) for one in value][: self.layers]
        return [self.integer(key, default)] * self.layers

    def each(self, key: str) -> list[int]:
        """A list of whole numbers, empty where the header lacks it."""
        return [int(one) for one in self.numbers(key)]

    def numbers(self, key: str) -> list[float]:
        """A list of numbers, empty where the header lacks it."""
        value = self.get(key)
        return [_number(one) for one in value] if isinstance(value, list) else []

    def tensor_numbers(self, name: str) -> list[float]:
        """The numbers of a small tensor, none where the file lacks it."""
        tensor = self.header.tensors.get(name)
        return [] if tensor is None else [float(one) for one in read_tensor(tensor).reshape(-1)]

    def sliding(self, period: int) -> list[str]:
        """The kind of attention of each layer; without a pattern in the header each `period`-th layer is full."""
        pattern = self.get("attention.sliding_window_pattern")
        if isinstance(pattern, list):
            return [_kind(bool(one)) for one in pattern[: self.layers]]
        period = period if pattern is None else int(_number(pattern))
        return [_kind((layer + 1) % period != 0) for layer in range(self.layers)]

    @property
    def layers(self) -> int:
        """The layers that transformers runs: extra blocks for guessing several tokens at once are not among them."""
        return self.integer("block_count") - self.integer("nextn_predict_layers", 0)

    def has(self, *leaves: str) -> bool:
        """Whether a layer has one of these tensors, named without their block."""
        return any(leaf in self.leaves for leaf in leaves)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, rows first; raises NotAModel where the file lacks it."""
        if name not in self.header.tensors:
            raise NotAModel(f"{self.file} lacks the tensor {name}.", "Download it again.")
        return self.header.tensors[name].shape

    def layer_shape(self, leaf: str) -> tuple[int, ...]:
        """The shape of a tensor of the first layer that has it."""
        return self.shape(next((name for name in self.header.tensors if _leaf(name) == leaf), leaf))

    def token(self, name: str) -> int | None:
        """The id of a special token such as "bos", "eos" or "eot"."""
        value = self.header.metadata.get(f"tokenizer.ggml.{name}_token_id")
        return None if value is None else int(_number(value))

    def _present(self, key: str, value: Value | None) -> Value:
        if value is None:
            raise NotAModel(
                f"{self.file} does not state {self.header.architecture}.{key} in its header.",
                "Choose a file that a newer converter wrote.",
            )
        return value


def _number(value: Value | Scalar) -> float:
    if isinstance(value, str | list):
        raise NotAModel(f"The header has {str(value)[:40]!r} in place of a number.", "Download the file again.")
    return value


def _kind(sliding: bool) -> str:
    return "sliding_attention" if sliding else "full_attention"


def _leaf(name: str) -> str:
    """A tensor's name without its block: "attn_q.weight" of "blk.3.attn_q.weight"."""
    return name.split(".", 2)[2] if name.startswith("blk.") and name.count(".") > 1 else name
