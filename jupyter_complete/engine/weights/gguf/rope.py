"""The rope parameters of transformers from a GGUF header and its tensors of factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .fields import Fields

LLAMA3_LENGTHS = (8192, 4096, 16384, 32768, 2048)  # of the context before it was extended; the file does not say it


def rope(fields: Fields, head: int, theta: float = 10_000.0) -> dict[str, Any]:
    """The parameters for heads of so many numbers, with the scaling that the file states."""
    turned = fields.integer("rope.dimension_count", head)
    found: dict[str, Any] = {"rope_type": "default", "rope_theta": fields.number("rope.freq_base", theta)}
    if 0 < turned < head:
        found["partial_rotary_factor"] = turned / head
    return found | _scaling(fields, found["rope_theta"], turned)


def _scaling(fields: Fields, theta: float, turned: int) -> dict[str, Any]:
    factors = [_factors(fields, name) for name in ("rope_factors_short", "rope_factors_long")]
    if factors[0] and factors[1]:
        return _longrope(fields, factors[0], factors[1])
    if (single := _factors(fields, "rope_freqs")) and set(single) != {1.0}:
        return llama3(single, theta, turned) or _fixed(fields, single)
    older = fields.number("rope.scale_linear", 0.0)  # the key of files from 2023
    factor = fields.number("rope.scaling.factor", older)
    match fields.text("rope.scaling.type", "linear" if older else ""):
        case "linear" if factor not in (0.0, 1.0):
            return {"rope_type": "linear", "factor": factor}
        case "yarn" if factor:
            return _yarn(fields, factor)
    return {}


def _factors(fields: Fields, name: str) -> list[float]:
    return fields.tensor_numbers(f"{name}.weight")


def _longrope(fields: Fields, short: list[float], long: list[float]) -> dict[str, Any]:
    longest = fields.integer("context_length")
    found: dict[str, Any] = {
        "rope_type": "longrope",
        "short_factor": short,
        "long_factor": long,
        "original_max_position_embeddings": fields.integer("rope.scaling.original_context_length", longest),
    }
    if (attention := fields.optional("rope.scaling.attn_factor")) is not None:
        found["attention_factor"] = attention
    return found


def _fixed(fields: Fields, factors: list[float]) -> dict[str, Any]:
    """Factors that follow no rule that transformers knows, as they are: the same below and beyond any length."""
    length = fields.integer("context_length")
    return {
        "rope_type": "longrope",
        "short_factor": factors,
        "long_factor": factors,
        "factor": 1.0,
        "attention_factor": 1.0,
        "original_max_position_embeddings": length,
    }


def _yarn(fields: Fields, factor: float) -> dict[str, Any]:
    found: dict[str, Any] = {"rope_type": "yarn", "factor": factor}
    length = fields.optional("rope.scaling.original_context_length")
    found["original_max_position_embeddings"] = int(length or fields.integer("context_length") / factor)
    for ours, key in (("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow")):
        if (number := fields.optional(f"rope.scaling.{key}")) is not None:
            found[ours] = number
    if (number := fields.optional("rope.scaling.yarn_attn_factor")) is not None:
        found["attention_factor"] = number
    if (number := fields.optional("rope.scaling.yarn_log_multiplier")) is not None:
        found |= {"mscale": 1.0, "mscale_all_dim": number}
    return found


def llama3(factors: Sequence[float], theta: float, turned: int) -> dict[str, Any] | None:
    """The parameters of Llama 3's scaling that give these factors, or None where none do."""
    lengths = 2 * math.pi * theta ** (np.arange(0, turned, 2) / turned)
    if len(lengths) != len(factors):
        return None
    for original in LLAMA3_LENGTHS:
        wanted: dict[str, Any] = {
            "rope_type": "llama3",
            "factor": float(max(factors)),
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        }
        if np.allclose(_llama3_factors(wanted, lengths), factors, rtol=1e-5):
            return wanted
    return None


def _llama3_factors(rope: dict[str, Any], lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """By what Llama 3's scaling divides the frequencies of these wavelengths."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = np.clip((rope["original_max_position_embeddings"] / lengths - low) / (high - low), 0, 1)
    return np.asarray(1 / ((1 - smooth) / rope["factor"] + smooth))
