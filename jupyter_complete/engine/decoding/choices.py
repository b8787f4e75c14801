"""The probability of each of several texts after a prompt, computed token by token; shared beginnings are read once.

The texts' ids form a tree, which is read level by level: one row of the runner for each beginning that continues.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event as StopEvent

from torch import Tensor

from ...protocol.errors import BadOption
from ..runners.transformers_pass import Runner
from ..text.tokenizer import Vocabulary
from .sampler import Choice, Sampler

BUDGET = 256 * 2**20  # bytes of KV cache for all rows of a pass
MAX_ROWS = 64  # rows of a pass
OPENING = "([{<'\"`‘“«/"  # signs after which a word has no space

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeighedPath:
    """The tokens of one text with their probabilities, and the text's logprob."""

    tokens: tuple[Choice, ...]
    logprob: float


class Tree:
    """Several lists of ids with common beginnings, and the choices computed for them so far."""

    def __init__(self, paths: Sequence[Ids]) -> None:
        self.paths = paths
        self._choices: dict[Ids, Choice] = {}  # of each beginning: its last token

    def after(self, beginning: Ids, paths: Sequence[Ids]) -> dict[int, list[Ids]]:
        """Return the paths that continue after a beginning, by their next token."""
        length, found = len(beginning), dict[int, list[Ids]]()
        for path in paths:
            if len(path) > length and path[:length] == beginning:
                found.setdefault(path[length], []).append(path)
        return found

    def weigh(self, beginning: Ids, paths: Sequence[Ids], logits: Tensor, sampler: Sampler) -> None:
        """Record the probabilities, from the `logits` [V] after a beginning, of the tokens that continue it."""
        tokens = self.after(beginning, paths)
        for token in tokens:
            self._choices[(*beginning, token)] = sampler.weigh(token, logits)

    def result(self, path: Ids) -> WeighedPath:
        """Return a path's tokens and logprob. If longer paths begin with it, their continuations are excluded."""
        tokens = tuple(self._choices[path[:length]] for length in range(1, len(path) + 1))
        longer = sum(math.exp(self._choices[(*path, token)].logprob) for token in self.after(path, self.paths))
        other = math.log1p(-longer) if longer < 1.0 else -math.inf
        return WeighedPath(tokens, sum(token.logprob for token in tokens) + other)


def weigh(
    runner: Runner, head: Sequence[int], paths: Sequence[Ids], sampler: Sampler, stop: StopEvent
) -> tuple[list[WeighedPath], list[int]] | None:
    """Compute the probability of each of `paths` after `head`. Returns None if `stop` is set.

    The runner holds all of `head` but its last id. The second result are the ids that its row holds afterwards.
    """
    tree = Tree(paths)
    tree.weigh((), paths, runner.forward([[head[-1]]])[0], sampler)
    held: Ids = ()
    groups = _groups(sorted(path for path in paths if len(path) > 1), _rows(runner))
    for number, group in enumerate(groups, 1):
        kept = runner.cache.fork(len(head)) if number < len(groups) else None
        reached = _read(runner, tree, group, sampler, stop)
        if reached is None:
            return None
        held = reached
        if kept is not None:
            runner.cache = kept
    return [tree.result(path) for path in paths], [*head, *held]


def spell(texts: Sequence[str], prompt: str, prompt_ids: Sequence[int], vocabulary: Vocabulary) -> list[Ids]:
    """Return the ids of each text as a continuation of the prompt, with a space before it where a word has one.

    Raises BadOption for a text that the tokenizer cannot encode, and for two texts that are the same.
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
    """Whether a word after this prompt begins with a space: not after whitespace, an opening sign, or Chinese."""
    if not prompt or prompt[-1].isspace() or prompt[-1] in OPENING:
        return False
    return unicodedata.east_asian_width(prompt[-1]) not in ("W", "F")


def _read(runner: Runner, tree: Tree, paths: Sequence[Ids], sampler: Sampler, stop: StopEvent) -> Ids | None:
    """Weigh all tokens of `paths` after their first. The runner's one row holds the head, and is one row again.

    Returns the ids that the row holds behind the head; None if `stop` is set.
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
    """Return how many rows one pass may have."""
    if runner.cache is None:
        return MAX_ROWS**2  # without a cache there is none to restore between groups
    return max(1, min(MAX_ROWS, BUDGET // max(1, int(runner.cache.nbytes))))


def _groups(paths: Sequence[Ids], most: int) -> list[Sequence[Ids]]:
    return [paths[at : at + most] for at in range(0, len(paths), most)]
