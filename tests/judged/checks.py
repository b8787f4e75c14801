"""What can be said of an answer without reading it: facts in it, its language, its length, its form."""

from __future__ import annotations

import re
from collections.abc import Callable

Check = Callable[[str], bool]

_COMMON = {
    "English": "the of and to in is was that it for on with as are this be at by have from not they has will her his",
    "French": "le la les de des du un une et est dans pour que qui au avec sur pas il elle nous je vous se ce sont en",
    "German": "der die das und ist in den von zu mit sich auf für nicht ein eine dem des es im sie ich wir er sind",
    "Spanish": "el la los las de y que en un una es por con para no se su al lo como mi está son del nos muy más",
    "Italian": "il lo la gli le di che e è un una in per non con si mi sono del della nel al da ma molto ha i ho",
}


_OF_EXAMPLES = ("bakery", "mrs bell", "queen street", "two brothers", "leeds", "recipes", "coffee", " rolls", "roots")


def has(*groups: str) -> Check:
    """Every group has one of its words (divided by |) in the answer, in whatever case."""
    return lambda text: all(any(word in text.lower() for word in group.lower().split("|")) for group in groups)


def without(*faults: str) -> Check:
    """None of these is in the answer, in whatever case."""
    return lambda text: not any(fault.lower() in text.lower() for fault in faults)


def words(least: int, most: int) -> Check:
    """The answer has so many words."""
    return lambda text: least <= len(text.split()) <= most


def written_in(language: str) -> Check:
    """Words that are common in this language are more frequent in the answer than those of any other."""

    def check(text: str) -> bool:
        found = [word.lower() for word in re.findall(r"\w+", text)]
        counts = {name: sum(word in common.split() for word in found) for name, common in _COMMON.items()}
        best = max(counts.values())
        return best > 0 and counts[language] == best

    return check


def points(least: int, most: int) -> Check:
    """So many lines, and no other ones, are the points of a list."""

    def check(text: str) -> bool:
        lines = [line for line in text.splitlines() if line.strip()]
        return least <= len(lines) <= most and all(re.match(r" *([-*•]|\d+[.)]) +\S", line) for line in lines)

    return check


def other_than(source: str) -> Check:
    """The answer is not the text it was given, or a beginning of it."""
    return lambda text: not source.startswith(text.strip()) and source.strip() not in text


def apart_from_examples(source: str) -> Check:
    """The answer has no name or matter of the prompts' examples which is not in the text it was given."""
    foreign = [word for word in _OF_EXAMPLES if word not in source.lower()]
    return lambda text: not any(word in text.lower() for word in foreign)


def a_line(text: str) -> bool:
    """The answer is one line."""
    return len(text.strip().splitlines()) == 1


def is_whole(text: str) -> bool:
    """The answer ends as a sentence does."""
    return text.rstrip().rstrip('"”*)').endswith((".", "!", "?"))


def goes_on(text: str) -> bool:
    """The answer does not go round in circles: of its runs of four words, at least four in five are different."""
    found = text.lower().split()
    runs = [tuple(found[place : place + 4]) for place in range(len(found) - 3)]
    return len(set(runs)) >= 0.8 * len(runs)
