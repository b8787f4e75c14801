"""How models mark their thinking: one table, and the line of it that a chat template or a vocabulary has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Markers:
    """The texts round a model's thinking.

    opens    what begins the thinking
    closes   what ends it
    answer   what stands between `closes` and the answer
    empty    what a prompt ends with so that the model answers without thinking
    ends     what ends the answer; "" where the end of text does
    channel  what begins each section of an answer whose sections have names; "" where there is thinking only
    header   what ends the name of a section
    """

    opens: str
    closes: str
    answer: str = "\n\n"
    empty: str = ""
    ends: str = ""
    channel: str = ""
    header: str = ""

    @property
    def turn(self) -> str:
        """What stands between a section and the name of the next one."""
        return self.answer.partition(self.channel)[0] if self.channel else ""


MARKERS = (
    Markers(  # gpt-oss
        "<|channel|>analysis<|message|>",
        "<|end|>",
        "<|start|>assistant<|channel|>final<|message|>",
        "<|channel|>final<|message|>",
        channel="<|channel|>",
        header="<|message|>",
    ),
    Markers("<|channel>thought\n", "<channel|>", "", "<|channel>thought\n<channel|>"),  # Gemma 4
    Markers(  # Command A Reasoning
        "<|START_THINKING|>",
        "<|END_THINKING|>",
        "<|START_RESPONSE|>",
        "<|START_THINKING|><|END_THINKING|><|START_RESPONSE|>",
    ),
    Markers("[THINK]", "[/THINK]", "", "[THINK][/THINK]"),  # Magistral, Ministral 3 Reasoning
    Markers("<seed:think>", "</seed:think>", "", "<seed:think></seed:think>"),  # Seed-OSS
    Markers("◁think▷", "◁/think▷", "", "◁think▷◁/think▷"),  # Kimi-VL
    Markers("<think>", "</think>", "<response>", "<think></think><response>", "</response>"),  # Granite 3.3
    Markers("<think>\n", "</think>", "\n<answer>\n", "<think>\n\n</think>\n<answer>\n", "\n</answer>"),  # Hunyuan
    Markers("Here is my thought process:", "Here is my response:", "\n", ""),  # Granite 3.2
    Markers("<think>\n", "</think>", "\n\n", "<think>\n\n</think>\n\n"),  # Qwen 3, DeepSeek R1, SmolLM3, GLM, Nemotron
)
"""Of two lines that fit, the first counts: the last line is the commonest form and fits the most models."""


def find(template: str, added: Collection[str]) -> Markers | None:
    """The markers of a model, by the text of its chat template and by its added tokens; None where neither has any.

    A line of the table fits if the template has its end marker, or if both markers are tokens. Its texts round the
    answer must be in the template too.
    """
    for line in MARKERS:
        needed = [text for text in (line.channel, line.header, line.ends.strip()) if text]
        known = line.closes in template or {line.opens.strip(), line.closes} <= set(added)
        if known and all(text in template for text in needed):
            return line
    return None
