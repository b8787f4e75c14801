"""The tree of completions: found from any of them, in the order they were made, with nothing lost."""

from __future__ import annotations

import gc
import pickle
import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.events import Finish, Prefill, Step, Timing, Token, Usage
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.branches import bound, forks, leaves, path, root, sibling_on_path, siblings, walk
from jupyter_complete.results.completion import MOST_BRANCHES, Completion
from jupyter_complete.results.draft import Draft


def asked() -> Request:
    config = Complete()
    return Request(prompt="Say", sampling=config.to_sampling(config.checked({})))


def grown(text: str, parent: Completion | None = None, at: int | None = None) -> Completion:
    """A completion of one token a letter, which goes on from a place in its parent."""
    draft = Draft(asked(), parent, at)
    if parent is not None:
        kept = "".join(step.text for step in parent.tokens[:at])
        draft.take(Prefill(1, 1, 0, kept, len(kept)))
    for letter in text:
        draft.take(Token(0, Step(ord(letter), letter), letter))
    draft.take(Finish(("length",), ("",), Usage(), Timing()))
    done = draft.completion()
    if parent is not None:
        parent.adopt(done)
    return done


@pytest.fixture
def tree() -> dict[str, Completion]:
    """Branches of abcde by their texts; abW leaves its parent where that one left the root."""
    made = {"abcde": grown("abcde")}
    made["abX"] = grown("X", made["abcde"], 2)
    made["abY"] = grown("Y", made["abcde"], 2)
    made["abXZ"] = grown("Z", made["abX"], 3)
    made["abW"] = grown("W", made["abX"], 2)
    made["abcdefg"] = grown("fg", made["abcde"], 5)
    return made


def texts(completions: object) -> list[str]:
    return [one.text for one in completions]  # type: ignore[attr-defined]


def test_a_branch_knows_its_parent_and_place(tree: dict[str, Completion]) -> None:
    assert (tree["abX"].parent, tree["abX"].at) == (tree["abcde"], 2)
    assert (tree["abcde"].parent, tree["abcde"].at) == (None, None)


def test_the_branches_are_in_the_order_they_were_made(tree: dict[str, Completion]) -> None:
    assert tree["abcde"].branches == (tree["abX"], tree["abY"], tree["abcdefg"])
    assert tree["abY"].branches == ()


def test_the_root_is_found_from_everywhere(tree: dict[str, Completion]) -> None:
    assert {root(one).text for one in tree.values()} == {"abcde"}


def test_the_path_leads_from_the_root(tree: dict[str, Completion]) -> None:
    assert texts(path(tree["abXZ"])) == ["abcde", "abX", "abXZ"]


def test_a_walk_meets_every_completion_once(tree: dict[str, Completion]) -> None:
    assert texts(walk(tree["abcde"])) == ["abcde", "abX", "abXZ", "abW", "abY", "abcdefg"]


def test_the_leaves_are_those_that_nothing_goes_on_from(tree: dict[str, Completion]) -> None:
    assert texts(leaves(tree["abcde"])) == ["abXZ", "abW", "abY", "abcdefg"]
    assert texts(leaves(tree["abY"])) == ["abY"]


@pytest.mark.parametrize("name", ["abX", "abY", "abW"])
def test_siblings_share_a_place_whoever_they_were_branched_from(tree: dict[str, Completion], name: str) -> None:
    assert texts(siblings(tree[name])) == ["abcde", "abX", "abW", "abY"]


def test_siblings_at_a_place_are_those_of_the_text_that_is_there(tree: dict[str, Completion]) -> None:
    assert texts(siblings(tree["abXZ"], 2)) == ["abcde", "abX", "abW", "abY"]
    assert texts(siblings(tree["abcdefg"], 3)) == ["abcde"]
    assert texts(siblings(tree["abXZ"], 3)) == ["abX", "abXZ"]


def test_the_forks_of_a_text_are_where_it_might_have_gone_on_otherwise(tree: dict[str, Completion]) -> None:
    assert forks(tree["abXZ"]) == (2, 3)
    assert forks(tree["abcdefg"]) == (2, 5)
    assert forks(grown("abc")) == ()


@pytest.mark.parametrize(("name", "at", "by"), [("abXZ", 2, "abX"), ("abcdefg", 2, "abcde"), ("abW", 2, "abW")])
def test_of_the_siblings_one_is_on_the_way(tree: dict[str, Completion], name: str, at: int, by: str) -> None:
    assert sibling_on_path(tree[name], at) is tree[by]


def test_a_tree_of_many_generations_is_walked() -> None:
    one = first = grown("a")
    for _ in range(1500):
        one = grown("b", one, 0)
    assert root(one) is first
    assert leaves(first) == (one,)


def test_a_completion_travels_without_its_tree(tree: dict[str, Completion]) -> None:
    again = pickle.loads(pickle.dumps(tree["abX"]))
    assert (again.text, again.parent, again.at, again.branches) == ("abX", None, None, ())


def test_what_is_known_of_a_scored_prompt_stays_known() -> None:
    scored = replace(grown("ab"), prompt_tokens=(Step(1, "Say", -1.0, 2),))
    assert grown("c", scored, 1).prompt_tokens == scored.prompt_tokens


def test_one_that_is_interrupted_before_it_begins_keeps_the_text_it_goes_on_from() -> None:
    draft = Draft(asked(), grown("abcde"), 3)
    draft.interrupt()
    assert draft.completion().text == "abc"


def chain(length: int) -> list[Completion]:
    """Completions of which each goes on from the end of the one before, without what lies too far behind."""
    made = [grown("a")]
    for _ in range(length - 1):
        made.append(grown("a", made[-1], len(made[-1].tokens)))
        bound(made[-1], completions=5)
    return made


def test_a_long_chain_lets_go_of_what_lies_far_behind_and_keeps_its_text() -> None:
    made = chain(12)
    newest = made[-1]
    assert [here is there for here, there in zip(path(newest), made[-5:], strict=True)] == [True] * 5
    assert root(newest) is made[-5]
    assert (root(newest).parent, root(newest).at) == (None, None)
    assert [len(one.tokens) for one in path(newest)] == [8, 9, 10, 11, 12]
    assert siblings(newest, 3) == (made[-5],)


def test_what_was_let_go_is_freed() -> None:
    made = chain(12)
    gone, newest = [weakref.ref(one) for one in made[:-5]], made[-1]
    del made
    gc.collect()
    assert [one() for one in gone] == [None] * 7
    assert len(path(newest)) == 5


def test_a_chain_keeps_no_more_traces_than_their_bytes_allow() -> None:
    made = [grown("a")]
    for _ in range(6):
        made.append(grown("a", made[-1], len(made[-1].tokens)))
    for one in made:
        object.__setattr__(one, "trace", SimpleNamespace(nbytes=100))
    bound(made[-1], trace_bytes=250)
    assert path(made[-1]) == tuple(made[-2:])


def test_one_completion_keeps_its_newest_branches() -> None:
    first = grown("abc")
    made = [grown("d", first, 3) for _ in range(MOST_BRANCHES + 3)]
    assert first.branches == tuple(made[3:])
