"""The panel's controls, derived from the options that config.Complete declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from traitlets import Bool, Enum, Float, Int, List, TraitType

from ..protocol.config import COMPLETE, Complete

# what gives no text, what is a text of its own, and forms, which are not had by typing into a line
LEFT_OUT = ("dry_run", "score", "inspect", "thread", "choices", "regex", "json", "suffix")
OF_CELLS = ("raw",)  # what cells alone have otherwise

GROUPS = {
    "Model": ("model", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "sampling", "seed"),
    "Length": ("max_new_tokens", "end", "stop", "num", "beams"),
    "Task": ("task", "to", "from_", "question", "length"),
    "Chat": ("chat", "think", "think_tokens"),
    "More": ("raw", "trace"),
}
_GROUP_OF = {name: group for group, members in GROUPS.items() for name in members}


def names() -> list[str]:
    options = Complete.flagged(COMPLETE)
    every = [name for name, trait in options if name not in LEFT_OUT and not trait.metadata.get("cell_only")]
    return [*every, *OF_CELLS]


def of_panel(config: Complete, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every control: what the page asked for, else the session's."""
    return {name: settings.get(name, getattr(config, name)) for name in names()}


def _control(name: str, trait: TraitType[Any, Any]) -> dict[str, Any]:
    """What a page needs to draw a control."""
    kinds = {Bool: "switch", Int: "whole", Float: "number", List: "texts", Enum: "choice"}
    return {
        "name": name,
        "group": _GROUP_OF[name],
        "kind": kinds.get(type(trait), "text"),
        "values": list(trait.values or ()) if isinstance(trait, Enum) else [],
        "known": trait.metadata.get("known", ""),  # of what the session knows the names
        "help": trait.help,
        "low": getattr(trait, "min", None),
        "high": getattr(trait, "max", None),
    }


CONTROLS = [_control(name, Complete.class_traits()[name]) for name in sorted(names(), key=[*_GROUP_OF].index)]
