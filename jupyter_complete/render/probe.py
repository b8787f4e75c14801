"""The checks of a model's probe as a table."""

from __future__ import annotations

from ..protocol.phrases import count
from ..protocol.probe import CheckName, Probe

_WHAT: dict[CheckName, str] = {
    "tokenizer": "tokenizer",
    "numbers": "finite numbers",
    "float32": "plain forward pass",
    "pieces": "text in pieces",
    "kv": "int8 KV cache",
}


def head(name: str, probe: Probe) -> tuple[str, str, str]:
    """The head of the table: the model, and how long the text is that it was checked on."""
    return name, "right", f"checked on {count(probe.tokens, 'token')}"


def rows(probe: Probe) -> list[tuple[str, str, str]]:
    """A row for each check."""
    return [(_WHAT[check.name], "yes" if check.holds else "no", check.text) for check in probe.checks]
