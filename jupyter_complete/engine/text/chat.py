"""A model's own chat template: a conversation to the text that the model reads, and whether it thinks first.

The template is rendered by the tokenizer. What differs between templates is found by rendering short conversations:
whether a message is a text or a list of parts, whether there is a system role, what switches thinking on and off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ...protocol.errors import BadOption, BadPrompt, raised
from ...protocol.prompt_parts import Think, Turn
from .markers import Markers, find

Thinks = Literal["no", "may", "open"]
"""What a model does after a prompt: it answers, it may begin to think, it goes on in a block that the prompt opens."""

_SIGN = "\N{OBJECT REPLACEMENT CHARACTER}"
_HELD = re.compile(f"{_SIGN}jc([0-9]+){_SIGN}")
_SWITCHES = ("enable_thinking", "thinking", "enable_reasoning", "reasoning")  # names of templates' own variables


class Prompt(NamedTuple):
    """The ids that a model reads, and what it does after them."""

    ids: list[int]
    thinks: Thinks = "no"


class Part(NamedTuple):
    """A part of a rendered conversation: the template's text, or a message that is read `literal`, as characters."""

    text: str
    literal: bool = False


class ChatTemplate:
    """The chat template of one tokenizer. `special` are the texts of its control tokens."""

    def __init__(self, tokenizer: Any, special: Sequence[str], added: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._special = [text for text in special if text]
        self._added = added

    @cached_property
    def markers(self) -> Markers | None:
        """How the model marks its thinking; None where neither template nor vocabulary knows of any."""
        found = find(self._source, self._added)
        if found is None or found.channel:
            return found
        without = self._rendered((Turn("user", "a"),), self._switch("off"))
        if without.rstrip().endswith(found.closes):  # the template writes what stands before an answer
            return replace(found, answer=without[len(without.rstrip()) :])
        return found

    @property
    def begins_with_bos(self) -> bool:
        """Whether a conversation begins with the token that begins a text, and has it only there.

        SmolLM2 calls the mark of every turn so.
        """
        bos = self._tokenizer.bos_token
        if not bos or not getattr(self._tokenizer, "chat_template", None):
            return False
        try:
            text = self._rendered((Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")), {})
        except BadPrompt:
            return False
        return text.startswith(bos) and text.count(bos) == 1

    @property
    def after_answer(self) -> str:
        """The control token that the template puts after an answer; "" where it puts none."""
        if not getattr(self._tokenizer, "chat_template", None):
            return ""
        try:
            text = self._rendered((Turn("user", "a"), Turn("assistant", _sign(0)), Turn("user", "b")), {})
        except BadPrompt:
            return ""
        after = text.partition(_sign(0))[2].lstrip()
        return max((name for name in self._special if after.startswith(name)), key=len, default="")

    def render(self, turns: Sequence[Turn], think: Think) -> tuple[list[Part], Thinks]:
        """A conversation up to where its answer begins. Raises BadPrompt, or BadOption for thinking that is not there.

        A message with the name of a control token in it is a part of its own, so that the name stays text. The
        template sees a sign in its place, with the message's own whitespace round it.
        """
        if not self._has_system and turns[0].role == "system":
            turns = _fold(turns)
        held, cores = list[Turn](), list[str]()
        for turn in turns:
            core = turn.text.strip()
            if any(text in core for text in (*self._special, _SIGN)):
                before, _, after = turn.text.partition(core)
                turn, cores = replace(turn, text=f"{before}{_sign(len(cores))}{after}"), [*cores, core]
            held.append(turn)
        text, thinks = self._with_thinking(self._rendered(held, self._switch(think)), think)
        parts = [
            Part(cores[int(piece)], literal=True) if place % 2 else Part(piece)
            for place, piece in enumerate(_HELD.split(text))
        ]
        return [part for part in parts if part.text], thinks

    def _with_thinking(self, text: str, think: Think) -> tuple[str, Thinks]:
        """A rendered conversation that ends as `think` asks."""
        marks, end = self.markers, text.rstrip()
        if marks is None:
            if think == "on":
                raise BadOption("This model has no marks of thinking.", "Leave out --think, or use a thinking model.")
            return text, "no"
        opened = end.endswith(marks.opens.strip())
        closed = end.endswith(
            (marks.closes, (marks.closes + marks.answer).strip(), marks.empty.strip() or marks.closes)
        )
        if think == "off":
            if opened:
                return end.removesuffix(marks.opens.strip()) + marks.empty, "no"
            told = marks.channel or (not self._has_switch and marks.opens.strip() in self._source)
            return text + (marks.empty if told and not closed else ""), "no"
        if opened or closed:
            return text, "open" if opened else "no"
        return (text + marks.opens, "open") if think == "on" else (text, "may")

    def _switch(self, think: Think) -> dict[str, Any]:
        """The template's own variables that say whether the model thinks."""
        if think == "auto":
            return {}
        source, on = self._source, think == "on"
        names: dict[str, Any] = {name: on for name in _SWITCHES if re.search(rf"\b{name}\b", source)}
        if "reasoning_effort" in source:
            without = re.search(r"""["']none["']""", source) is not None
            if without or not on:
                names["reasoning_effort"] = "high" if on else "none" if without else "low"
        return names

    @cached_property
    def _has_switch(self) -> bool:
        """Whether the template has a switch for thinking."""
        turns = (Turn("user", "a"),)
        return self._rendered(turns, self._switch("on")) != self._rendered(turns, self._switch("off"))

    @cached_property
    def _has_system(self) -> bool:
        """Whether the template has a place for a system message."""
        return self._shows((Turn("system", _sign(0)), Turn("user", _sign(1))), self._in_parts)

    @cached_property
    def _in_parts(self) -> bool:
        """Whether a message is a list of parts. Raises BadPrompt for a template that shows neither form."""
        turns = (Turn("user", _sign(0)),)
        if self._shows(turns, parts=False):
            return False
        if not self._shows(turns, parts=True):
            self._apply(turns, {}, parts=False)  # which raises where the template is at fault
            raise BadPrompt(
                "The model's chat template leaves out the message.", "Leave out --chat, or use another model."
            )
        return True

    def _shows(self, turns: Sequence[Turn], parts: bool) -> bool:
        """Whether the template shows the text of every turn."""
        try:
            text = self._apply(turns, {}, parts)
        except BadPrompt:
            return False
        return all(turn.text in text for turn in turns)

    def _rendered(self, turns: Sequence[Turn], switch: Mapping[str, Any]) -> str:
        """The text of a conversation; turns of one role in a row are joined where the template refuses them."""
        try:
            return self._apply(turns, switch, self._in_parts)
        except BadPrompt as refusal:
            joined = _join(turns)
            if len(joined) == len(turns):
                raise
            try:
                return self._apply(joined, switch, self._in_parts)
            except BadPrompt:
                raise refusal from None

    def _apply(self, turns: Sequence[Turn], switch: Mapping[str, Any], parts: bool) -> str:
        source = self._source
        messages = [
            {"role": turn.role, "content": [{"type": "text", "text": turn.text}] if parts else turn.text}
            for turn in turns
        ]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    messages, chat_template=source, tokenize=False, add_generation_prompt=True, **switch
                )
            )
        except Exception as error:  # a template is a program, and may fail in any way
            raise _refusal(error) from None

    @cached_property
    def _source(self) -> str:
        """The text of the template; of several, the default one, or the only one."""
        source = getattr(self._tokenizer, "chat_template", None) or ""
        if not isinstance(source, Mapping):
            return str(source)
        if "default" not in source and len(source) > 1:
            names = ", ".join(sorted(source))
            raise BadPrompt(
                f"The model has several chat templates ({names}), and none is the default.",
                "Set tokenizer.chat_template to one of them, and register the model.",
            )
        return str(source.get("default") or next(iter(source.values())))


def _sign(number: int) -> str:
    """What stands for a message while the template is rendered."""
    return f"{_SIGN}jc{number}{_SIGN}"


def _fold(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with the system's text before the first message of the user."""
    system, *rest = turns
    if not rest or rest[0].role != "user":
        return [Turn("user", system.text), *rest]
    return [Turn("user", f"{system.text}\n\n{rest[0].text}"), *rest[1:]]


def _join(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with those of one role in a row as one."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1] = replace(turn, text=f"{joined[-1].text}\n\n{turn.text}")
        else:
            joined.append(turn)
    return joined


def _refusal(error: Exception) -> BadPrompt:
    """The error of one sentence for an error of a template."""
    if type(error).__name__ == "TemplateSyntaxError":
        said = " ".join(str(error).split("\n")[0].split()).rstrip(".")
        where = getattr(error, "lineno", None)
        return BadPrompt(f"The model's chat template cannot be read (line {where}: {said}).", "Mend the template.")
    own = type(error).__name__ == "TemplateError"  # raised by the template itself, in its own words
    said = " ".join(str(error).split())[:200].rstrip(".") if own else raised(error)
    return BadPrompt(f"The model's chat template refuses this conversation: {said}.", "Change the messages.")
