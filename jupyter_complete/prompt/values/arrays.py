"""Arrays and tensors: shape and type, the range of their numbers, and as many of them as there is room for."""

from __future__ import annotations

from typing import Any

from ...protocol.prompt_parts import Form
from .writing import Nested, module_of, number, share

_MEASURED = 50_000_000  # numbers of which the range is still worth computing
_SIZES = (1_000, 300, 100, 30, 10, 3)


def forms(value: Any) -> list[Form]:
    """The texts of a numpy array or a torch tensor; none for anything else."""
    if module_of(value) not in ("numpy", "torch") or type(value).__name__ not in _KINDS or not value.ndim:
        return []
    if str(value.dtype) == "object":
        nested = Nested(20, 100, 3, most=4_000)
        text = nested.write(value.reshape(-1)[:20].tolist())
        return [Form(f"{_head(value)}: {text}", share(20, value.size, "items")), Form(_head(value), "shape only")]
    size = int(value.numel() if module_of(value) == "torch" else value.size)
    head, measured = _head(value), _measured(value, size)
    whole = [Form(f"{head}{measured}, values: {_values(value)}", "")] if size <= _SIZES[0] else []
    flat = value.reshape(-1)
    parts = [
        Form(f"{head}{measured}, first {few:,} of {size:,} values: {_values(flat[:few])}", share(few, size, "values"))
        for few in _SIZES
        if few < size
    ]
    return [*whole, *parts, Form(head + measured, "none of its values"), Form(head, "shape only")]


_KINDS = ("ndarray", "Tensor", "Parameter", "matrix", "MaskedArray", "memmap")


def _head(value: Any) -> str:
    kind = "tensor" if module_of(value) == "torch" else "array"
    held = "text" if getattr(value.dtype, "kind", "") == "U" else str(value.dtype).removeprefix("torch.")
    return f"{kind} of {held}, shape {' × '.join(map(str, value.shape))}"


def _measured(value: Any, size: int) -> str:
    """The range of its numbers; "" where they are none, or too many."""
    if not size or size > _MEASURED:
        return ""
    try:
        if module_of(value) == "torch":
            value = value.detach().float()
        missing = int((value != value).sum())
        known = value[value == value] if missing else value
        low, high, mean = (one.item() for one in (known.min(), known.max(), known.mean()))
        text = f", from {number(low)} to {number(high)}, mean {number(mean)}"
    except (TypeError, ValueError, RuntimeError):
        return ""
    return text + (f", {missing:,} missing" if missing else "")


def _values(value: Any) -> str:
    """Its values in brackets, six digits of each."""
    return _written(value.tolist())


def _written(value: object) -> str:
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, list) else number(value)
