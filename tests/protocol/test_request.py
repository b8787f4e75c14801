"""A request is a value that is refused when it contradicts itself."""

from __future__ import annotations

import dataclasses

import pytest

from jupyter_complete.prompt.compose import as_it_is
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.prompt_parts import Composed
from jupyter_complete.protocol.request import Framing, Request
from jupyter_complete.protocol.sampling import Sampling


def sampling(**options: object) -> Sampling:
    config = Complete()
    return config.to_sampling(config.checked(options))


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Request(prompt="Say", sampling=sampling()).prompt = "Say no"  # type: ignore[misc]


def test_equal_requests_are_equal_keys() -> None:
    assert len({Request(prompt="Say", sampling=sampling()), Request(prompt="Say", sampling=sampling())}) == 1


def test_a_composed_request_is_a_key_too() -> None:
    one, other = (Request(prompt="Say", sampling=sampling(), composed=Composed(as_it_is(("Say",)))) for _ in range(2))
    assert len({one, other}) == 1


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(BadOption, match="stop string is empty"):
        sampling(stop=["x", ""])


def test_more_continuations_than_beams_are_refused() -> None:
    with pytest.raises(BadOption, match="3 continuations were asked of 2 beams"):
        sampling(num=3, beams=2)


def test_several_continuations_that_would_be_the_same_are_refused() -> None:
    with pytest.raises(BadOption, match="all 3 continuations would be the same"):
        sampling(num=3, temperature=0)


@pytest.mark.parametrize("options", [{"num": 3}, {"num": 2, "beams": 2}, {"num": 1, "beams": 4}])
def test_as_many_continuations_as_beams_are_accepted(options: dict[str, int]) -> None:
    assert sampling(**options).num == options["num"]


@pytest.mark.parametrize(
    ("options", "greedy"), [({}, False), ({"temperature": 0}, True), ({"temperature": 1, "beams": 2}, True)]
)
def test_what_draws_no_random_number_is_greedy(options: dict[str, float], greedy: bool) -> None:
    assert sampling(**options).greedy is greedy


def test_only_an_answer_has_a_speaker() -> None:
    asked = Request(prompt="Say", sampling=sampling(), model="org/tiny", framing=Framing(chat=True))
    assert (asked.speaker, dataclasses.replace(asked, framing=Framing()).speaker) == ("tiny", "")
