"""What options ask for: the settings in force, those of a task among them, and what a text is put to the model as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from typing import Any

from ..prompt import compose as prompts
from ..prompt.schema import structure_of
from ..prompt.tasks.registry import Tasks
from ..prompt.tasks.task import Task, refuse_alone
from ..protocol.config import Complete
from ..protocol.errors import BadOption, EmptyPrompt
from ..protocol.options import ModelName
from ..protocol.prompt_parts import Composed, Excerpt, Text, Turn, plain
from ..protocol.request import Framing
from ..protocol.structure import Choices, Structure


@dataclass(frozen=True, slots=True)
class Resolved:
    """Options checked: `settings` are those in force, of which `beneath` are the task's. The model's own recommendation
    counts for those `recommended`."""

    settings: Mapping[str, Any]
    framing: Framing
    structure: Structure | None = None
    task: Task | None = None
    beneath: Mapping[str, Any] = field(default_factory=dict)
    recommended: tuple[str, ...] = ()


def resolve(config: Complete, tasks: Tasks, namespace: Mapping[str, Any], options: Mapping[str, Any]) -> Resolved:
    """What `options` ask for above the settings of `config`. Raises BadOption."""
    options = config.drop_unset(options)
    settings = config.checked(options)
    framing = _framing(config, settings, options)
    structure = structure_of(settings, namespace)
    if isinstance(structure, Choices) and any(options.get(name, 1) > 1 for name in ("num", "beams")):
        raise BadOption("Of choices one is taken, and none is sampled.", "Leave out num (-n) and beams (--beams).")
    recommended = _recommended(settings, options)
    if not framing.task:
        refuse_alone(framing)
        _refuse_suffix(framing)
        _refuse_thinking(framing, options)
        return Resolved(settings, framing, structure, recommended=recommended)
    _refuse_suffix(framing)
    task = tasks.find(framing.task).checked(framing)
    beneath = task.beneath(framing)
    if structure is not None:  # which has an end of its own
        beneath.pop("stop", None)
    return Resolved(config.checked({**beneath, **options}), framing, structure, task, beneath, recommended)


def call_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as Python gives them, with a model by its name; raises BadOption for those that cells alone have."""
    named = dict(options)
    for name in named:
        if (trait := Complete.class_traits().get(name)) is not None and trait.metadata.get("cell_only"):
            raise BadOption(f"{name} is for cells only.", "Leave it out; the result is the value of this call.")
    if isinstance(model := named.get("model"), PathLike):
        named["model"] = fspath(model)
    elif isinstance(model, ModelName):
        named["model"] = model.name
    return named


def compose_prompt(
    text: Text, resolved: Resolved, turns: tuple[Turn, ...], excerpts: tuple[Excerpt, ...], config: Complete
) -> Composed | None:
    """What a text is put to the model as, after the `turns` of its conversation; None where it is as it stands.

    Raises EmptyPrompt for blanks that are no text to go on from, but a message.
    """
    if (resolved.task or resolved.framing.chat or resolved.framing.thread) and not plain(text).strip():
        raise EmptyPrompt("The prompt is empty.", "Write the text to put to the model.")
    if resolved.task is not None:
        name, wordings = f"--task {resolved.task.name}", resolved.task.wordings(text, resolved.framing)
    elif resolved.framing.chat or resolved.framing.thread:
        name, wordings = "--thread" if resolved.framing.thread else "--chat", prompts.as_message(text, turns)
    elif excerpts or resolved.framing.suffix or any(not isinstance(part, str) for part in text):
        name, wordings = "", prompts.as_it_is(text)
    else:
        return None
    return Composed(wordings, excerpts, name, config.value_tokens, config.context_tokens)


def _recommended(settings: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
    """The settings of sampling that are left to the model: those that no option gives a value."""
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    return tuple(name for name in names if settings["sampling"] == "model" and name not in options)


def _refuse_thinking(framing: Framing, options: Mapping[str, Any]) -> None:
    """Raise BadOption where thinking was asked for and the text is no message."""
    if options.get("think") == "on" and not (framing.chat or framing.thread):
        raise BadOption("A model thinks before it answers a message, and this is a text.", "Add --chat or --thread.")


def _refuse_suffix(framing: Framing) -> None:
    """Raise BadOption where a text is to follow an answer."""
    if framing.suffix and (framing.task or framing.chat or framing.thread):
        raise BadOption("An answer to a message is followed by no text.", "Leave out --suffix, or --chat and --task.")


def _framing(config: Complete, settings: Mapping[str, Any], options: Mapping[str, Any]) -> Framing:
    """How the text is to be put; what only a cell can ask for counts where it was asked for."""
    of_cells = {"raw": True, "context": 0, "error": False}
    return replace(config.framing(settings), **{name: options.get(name, other) for name, other in of_cells.items()})
