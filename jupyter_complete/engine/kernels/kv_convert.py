"""The bytes of a KV cache as float32, and float32 as such bytes, by numpy: to change the form of a cache.

Compiled code writes the same bytes (see kv_numbers.py), token by token.
"""

from __future__ import annotations

import numpy as np

from .kv_forms import KVForm, key_groups
from .sizes import GROUP, ROWS

LARGEST = 127


def read_keys(keys: np.ndarray, form: KVForm, head_size: int) -> np.ndarray:
    """float32 [S, G, blocks, D, 16] of bytes [S, G, blocks, bytes of a block]."""
    last = head_size * ROWS * form.number
    numbers = _floats(keys[..., :last], form).reshape(*keys.shape[:-1], head_size, ROWS)
    if form.scaled:
        scales = _wide(keys[..., last:]).reshape(*keys.shape[:-1], key_groups(head_size), ROWS)
        numbers *= scales.repeat(GROUP, axis=-2)[..., :head_size, :]
    return numbers


def read_values(values: np.ndarray, form: KVForm) -> np.ndarray:
    """float32 [S, G, tiles, C, 16] of bytes [S, G, tiles, C, bytes of a row]."""
    last = ROWS * form.number
    numbers = _floats(values[..., :last], form)
    return numbers * _wide(values[..., last:]) if form.scaled else numbers


def write_keys(numbers: np.ndarray, form: KVForm) -> np.ndarray:
    """The bytes of keys, float32 [S, G, blocks, D, 16]."""
    lead, head_size = numbers.shape[:-2], numbers.shape[-2]
    if not form.scaled:
        return _stored(numbers, form).reshape(*lead, form.block(head_size))
    groups = key_groups(head_size)
    wide = np.zeros((*lead, groups * GROUP, ROWS), np.float32)
    wide[..., :head_size, :] = numbers
    scales = _scales(np.abs(wide).reshape(*lead, groups, GROUP, ROWS).max(-2))
    rounded = _rounded(numbers, _wide(scales).repeat(GROUP, axis=-2)[..., :head_size, :])
    return np.concatenate([rounded.reshape(*lead, -1), scales.reshape(*lead, -1)], axis=-1)


def write_values(numbers: np.ndarray, form: KVForm) -> np.ndarray:
    """The bytes of values, float32 [S, G, tiles, C, 16]."""
    if not form.scaled:
        return _stored(numbers, form)
    scales = _scales(np.abs(numbers).max(-1, keepdims=True))
    return np.concatenate([_rounded(numbers, _wide(scales)), scales], axis=-1)


def _floats(stored: np.ndarray, form: KVForm) -> np.ndarray:
    """The numbers of bytes, without their scales."""
    stored = np.ascontiguousarray(stored)
    if form.scaled:
        return stored.view(np.int8).astype(np.float32)
    return stored.view(np.float32) if form.number == np.float32().itemsize else _wide(stored)


def _stored(numbers: np.ndarray, form: KVForm) -> np.ndarray:
    """The bytes of float32 or bfloat16."""
    numbers = np.ascontiguousarray(numbers, np.float32)
    if form.number == numbers.itemsize:
        return numbers.view(np.uint8)
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).view(np.uint8)


def _wide(stored: np.ndarray) -> np.ndarray:
    """The float32 of bytes that are bfloat16."""
    return (np.ascontiguousarray(stored).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _scales(largest: np.ndarray) -> np.ndarray:
    """The bytes of the smallest bfloat16 by which numbers as large as these are at most 127."""
    bits = np.ascontiguousarray(largest / np.float32(LARGEST)).view(np.uint32)
    return ((bits + 0xFFFF) >> 16).astype(np.uint16).view(np.uint8).reshape(*largest.shape[:-1], -1)


def _rounded(numbers: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The bytes of numbers in units of their scales."""
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    return np.floor(numbers * inverse + np.float32(0.5)).astype(np.int8).view(np.uint8)
