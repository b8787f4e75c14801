"""The tree that completions make: each goes on from a place in another one, and none takes another's place."""

from __future__ import annotations

from collections.abc import Iterator

from .completion import Completion

KEPT = 200  # completions on the way to the newest one
KEPT_TRACES = 256_000_000  # bytes of their traces together


def root(one: Completion) -> Completion:
    """The completion that the tree of `one` began with."""
    while one.parent is not None:
        one = one.parent
    return one


def path(one: Completion) -> tuple[Completion, ...]:
    """From the root to `one`, each the parent of the next."""
    found = [one]
    while (parent := found[-1].parent) is not None:
        found.append(parent)
    return tuple(reversed(found))


def bound(one: Completion, completions: int = KEPT, trace_bytes: int = KEPT_TRACES) -> None:
    """Let go of the completions that lie far behind `one`: the first that is kept becomes the root of its tree.

    Kept are the newest on the way to `one`, as many as `completions`, whose traces take `trace_bytes` together. Their
    texts and tokens are whole.
    """
    left = trace_bytes
    for number, here in enumerate(reversed(path(one)), 1):
        left -= _trace_bytes(here)
        behind = here.parent
        if behind is not None and (number == completions or left - _trace_bytes(behind) < 0):
            behind.release(here)
            return


def _trace_bytes(one: Completion) -> int:
    return one.trace.nbytes if one.trace is not None else 0


def walk(one: Completion) -> Iterator[Completion]:
    """`one` and all that goes on from it, a parent before its branches and these in the order they were made."""
    waiting = [one]
    while waiting:
        yield (here := waiting.pop())
        waiting += reversed(here.branches)


def leaves(one: Completion) -> tuple[Completion, ...]:
    """Return the completions of this subtree that have no branches."""
    return tuple(here for here in walk(one) if not here.branches)


def owner(one: Completion, at: int) -> Completion:
    """The first completion to hold the first `at` tokens of `one`."""
    while one.parent is not None and one.at is not None and one.at >= at:
        one = one.parent
    return one


def siblings(one: Completion, at: int | None = None) -> tuple[Completion, ...]:
    """What there is after the first `at` tokens of `one`: their owner, then every branch from that place.

    Without `at`, the place that `one` itself branches from; of a root that is its beginning.
    """
    at = (one.at or 0) if at is None else at
    first = owner(one, at)
    return (first, *(here for here in walk(first) if here is not first and _forks(here, first, at)))


def forks(one: Completion) -> tuple[int, ...]:
    """The places in `one` that have more than one continuation, in order."""
    places = {here.at for here in walk(root(one)) if here.at is not None}
    return tuple(at for at in sorted(places) if at <= len(one.tokens) and len(siblings(one, at)) > 1)


def sibling_on_path(one: Completion, at: int) -> Completion:
    """Which of the siblings at `at` the way to `one` goes through."""
    on_the_way = {id(here) for here in path(one)}
    return [here for here in siblings(one, at) if id(here) in on_the_way][-1]


def _forks(one: Completion, first: Completion, at: int) -> bool:
    """Whether `one` branches at `at` from tokens that `first` holds."""
    return one.parent is not None and one.at == at and owner(one.parent, at) is first
