"""How likely each of several texts is after a prompt: all are weighed, token by token, and what they share once.

The texts' ids are read as a tree, a level at a time: one row of the runner for each beginning that goes on.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event as StopEvent

from torch import Tensor

from ...protocol.errors import BadOption
from ..runners.prefix_cache import cache_bytes, fork
from ..runners.transformers_pass import Runner
from ..text.tokenizer import Vocabulary
from .sampler import Choice, Sampler

BUDGET = 256 * 2**20  # bytes of KV cache that rows may take at once
ROWS = 64
OPENING = "([{<'\"`‘“«/"  # after which a word has no space

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A text's tokens with what was said of them, and the summed logprob."""

    tokens: tuple[Choice, ...]
    logprob: float


class Tree:
    """Several lists of ids with common beginnings, and what has been said of them so far."""

    def __init__(self, paths: Sequence[Ids]) -> None:
        self.paths = paths
        self._said: dict[Ids, Choice] = {}  # of each beginning, of its last token

    def after(self, beginning: Ids, paths: Sequence[Ids]) -> dict[int, list[Ids]]:
        """Those of `paths` that go on after a beginning, by their next token."""
        length, found = len(beginning), dict[int, list[Ids]]()
        for path in paths:
            if len(path) > length and path[:length] == beginning:
                found.setdefault(path[length], []).append(path)
        return found

    def weigh(self, beginning: Ids, paths: Sequence[Ids], logits: Tensor, sampler: Sampler) -> None:
        """Note what the `logits` [V] after a beginning say of those that go on."""
        tokens = self.after(beginning, paths)
        for token in tokens:
            self._said[(*beginning, token)] = sampler.weigh(token, logits)

    def weighed(self, path: Ids) -> Weighed:
        """A path that longer ones begin with counts where the text does not go on as they do."""
        tokens = tuple(self._said[path[:length]] for length in range(1, len(path) + 1))
        longer = sum(math.exp(self._said[(*path, token)].logprob) for token in self.after(path, self.paths))
        other = math.log1p(-longer) if longer < 1.0 else -math.inf
        return Weighed(tokens, sum(token.logprob for token in tokens) + other)


def weigh(
    runner: Runner, head: Sequence[int], paths: Sequence[Ids], sampler: Sampler, stop: StopEvent
) -> tuple[list[Weighed], list[int]] | None:
    """What is said of each of `paths` after `head`, and the ids that the runner's one row stands for afterwards.

    The runner holds all of `head` but its last id. None once `stop` is set.
    """
    tree = Tree(paths)
    tree.weigh((), paths, runner.forward([[head[-1]]])[0], sampler)
    held: Ids = ()
    groups = _groups(sorted(path for path in paths if len(path) > 1), _rows(runner))
    for number, group in enumerate(groups, 1):
        kept = fork(runner.cache, len(head), len(head)) if number < len(groups) else None
        reached = _read(runner, tree, group, sampler, stop)
        if reached is None:
            return None
        held = reached
        if kept is not None:
            runner.cache = kept
    return [tree.weighed(path) for path in paths], [*head, *held]


def spelled(texts: Sequence[str], prompt: str, prompt_ids: Sequence[int], vocabulary: Vocabulary) -> list[Ids]:
    """The ids of each text as it goes on after a prompt, with one space before it where a word would have one.

    Raises BadOption for a text that the tokenizer does not know, and for two that are the same.
    """
    spaced = wants_space(prompt)
    paths: list[Ids] = []
    for text in texts:
        added = " " + text if spaced and not text[0].isspace() else text
        path = tuple(vocabulary.continuation(added, prompt_ids))
        if path in paths:
            raise BadOption(f"{texts[paths.index(path)]!r} and {text!r} are the same text here.", "Leave one out.")
        paths.append(path)
    return paths


def wants_space(prompt: str) -> bool:
    """Whether a word that follows a prompt has a space before it: not after a blank, an opening sign, or Chinese."""
    if not prompt or prompt[-1].isspace() or prompt[-1] in OPENING:
        return False
    return unicodedata.east_asian_width(prompt[-1]) not in ("W", "F")


def _read(runner: Runner, tree: Tree, paths: Sequence[Ids], sampler: Sampler, stop: StopEvent) -> Ids | None:
    """Weigh what follows the first tokens of `paths`; the runner, whose row stood for the head, has one row again.

    The beginning that this row stands for; None once `stop` is set.
    """
    rows: list[Ids] = [()]
    while not stop.is_set():
        going = [
            (place, (*row, token))
            for place, row in enumerate(rows)
            for token, longer in tree.after(row, paths).items()
            if any(len(path) > len(row) + 1 for path in longer)
        ]
        if not going:
            runner.select([0])
            return rows[0]
        runner.select([place for place, _ in going])
        rows = [row for _, row in going]
        for row, logits in zip(rows, runner.forward([[row[-1]] for row in rows]), strict=True):
            tree.weigh(row, paths, logits, sampler)
    return None


def _rows(runner: Runner) -> int:
    """How many rows may be read at once."""
    if runner.cache is None:
        return ROWS**2  # it reads everything again, and has nothing to go back to
    return max(1, min(ROWS, BUDGET // max(1, cache_bytes(runner.cache))))


def _groups(paths: Sequence[Ids], most: int) -> list[Sequence[Ids]]:
    return [paths[at : at + most] for at in range(0, len(paths), most)]
