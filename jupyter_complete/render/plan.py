"""A plan of loading as a table of words and numbers."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.phrases import size
from ..protocol.plan import CacheEntry, Form, Plan

LATER = "known after the download"
_FORMS: dict[Form, str] = {
    "compiled": "compiled decoding step on {dtype} weights",
    "int8 modules": "transformers' forward pass with {dtype} matrices",
    "plain": "transformers' forward pass with {dtype} weights",
    "registered": "your own object, as it is",
}


def head(plan: Plan) -> tuple[str, str]:
    """The head of the table: the model's name."""
    return "model", plan.name


def rows(plan: Plan) -> list[tuple[str, str]]:
    """The table below the head: what is decided, and a phrase with its numbers."""
    return [
        ("source", _source(plan)),
        ("form", _form(plan)),
        *([("slower, because", plan.note)] if plan.reasons else []),
        ("dtype", f"{plan.dtype}, chosen by auto" if plan.auto else plan.dtype),
        ("device", plan.device),
        *([("KV cache", _kv(plan))] if plan.form == "compiled" else []),
        ("parameters", LATER if plan.parameters is None else f"{plan.parameters:,}"),
        ("download", _download(plan)),
        *_entries(plan),
        ("memory", _memory(plan)),
        ("disk", _disk(plan)),
        ("fits", _fits(plan)),
    ]


def _source(plan: Plan) -> str:
    """Where the files are, or will come from."""
    place = f"{plan.origin}: {plan.path}" if plan.path and str(plan.path) != plan.origin else plan.origin
    return f"{place} (loading asks the hub for a newer revision)" if plan.asks_hub else place


def _form(plan: Plan) -> str:
    if plan.numbers:
        return f"compiled decoding step on {plan.numbers}, straight from the file"
    if plan.form is not None:
        return _FORMS[plan.form].format(dtype=plan.dtype)
    return LATER if plan.download else "not decided, because the model does not fit"


def _kv(plan: Plan) -> str:
    return plan.kv if plan.kv != "auto" else "float32; bfloat16 for a long text, int8 where memory is short"


def _download(plan: Plan) -> str:
    if plan.download is None:
        return "nothing"
    if plan.download.size is None:
        return f"{plan.download.source}; its size is known when the hub is asked"
    return f"{size(plan.download.size)}, {plan.download.source}"


def _entries(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.header is not None:
        yield "header", _entry(plan.header, "config and tokenizer", "read once: at most ")
    if plan.conversion is not None:
        yield "conversion", _entry(plan.conversion, "float32", "GGUF to float32, once: ")
    if plan.packing is not None:
        yield "packing", _entry(plan.packing, plan.dtype, f"to {plan.dtype}, once: at most ")


def _entry(entry: CacheEntry, dtype: str, act: str) -> str:
    return f"{size(entry.size)} of {dtype}, in the cache" if entry.exists else f"{act}{size(entry.size)}"


def _memory(plan: Plan) -> str:
    if (memory := plan.memory) is None:
        return LATER
    if plan.form == "registered":
        return f"{size(memory.resident)}, held by your object; {size(memory.free)} free"
    about = "at most " if plan.packing is not None and not plan.packing.exists else ""
    loaded = f"{about}{size(memory.resident)} loaded, {size(memory.peak)} at the peak of loading"
    return f"{loaded}, {size(memory.free)} free"


def _disk(plan: Plan) -> str:
    free = f"{size(plan.disk_free)} free on the disk of the cache"
    if plan.disk_needed is None:
        return f"{LATER}, {free}"
    return f"{size(plan.disk_needed)} needed, {free}" if plan.disk_needed else f"nothing to write, {free}"


def _fits(plan: Plan) -> str:
    if plan.fits is None or plan.memory is None:
        return LATER
    if plan.fits:
        return "yes"
    return "no, the disk is too small" if plan.memory.fits else "no, memory is too small"
