"""The panel's controls: every option that says what is asked of the model, as config.Complete declares it."""

from __future__ import annotations

import json

import pytest

from jupyter_complete.protocol.config import COMPLETE, Complete
from jupyter_complete.widgets.controls import CONTROLS, GROUPS, LEFT_OUT, OF_CELLS, names, of_panel
from jupyter_complete.widgets.panel import PARTS
from jupyter_complete.widgets.view import module

BY_NAME = {control["name"]: control for control in CONTROLS}


def test_there_is_a_control_for_every_option_but_those_of_cells() -> None:
    declared = [name for name, trait in Complete.flagged(COMPLETE) if not trait.metadata.get("cell_only")]
    assert {control["name"] for control in CONTROLS} == {*declared, *OF_CELLS} - {*LEFT_OUT}
    assert len(CONTROLS) == len(names())


def test_the_controls_of_a_group_stand_together() -> None:
    assert [control["group"] for control in CONTROLS] == [group for group, members in GROUPS.items() for _ in members]
    assert GROUPS["Task"] == ("task", "to", "from_", "question", "length")


def test_what_is_left_out_is_an_option() -> None:
    assert set(LEFT_OUT) <= {name for name, _ in Complete.flagged(COMPLETE)}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model", "text"),
        ("num", "whole"),
        ("temperature", "number"),
        ("stop", "texts"),
        ("chat", "switch"),
        ("seed", "whole"),
        ("length", "choice"),
        ("task", "text"),
    ],
)
def test_the_kind_of_a_control_is_its_traits(name: str, kind: str) -> None:
    assert BY_NAME[name]["kind"] == kind


def test_a_choice_has_the_values_of_its_trait() -> None:
    assert BY_NAME["length"]["values"] == list(Complete.class_traits()["length"].values)


@pytest.mark.parametrize("name", names())
def test_a_control_says_which_names_are_known_for_it(name: str) -> None:
    assert BY_NAME[name]["known"] == Complete.class_traits()[name].metadata.get("known", "")


@pytest.mark.parametrize("name", names())
def test_help_and_bounds_are_the_traits(name: str) -> None:
    trait, control = Complete.class_traits()[name], BY_NAME[name]
    assert control["help"] == trait.help
    assert (control["low"], control["high"]) == (getattr(trait, "min", None), getattr(trait, "max", None))


def test_the_value_of_a_control_is_the_sessions() -> None:
    config = Complete(temperature=0.3)
    assert of_panel(config, {}) == {name: getattr(config, name) for name in names()}


def test_what_the_page_asked_for_comes_before_the_sessions() -> None:
    assert of_panel(Complete(temperature=0.3), {"temperature": 1.5, "nonsense": 1})["temperature"] == 1.5


def test_controls_and_their_values_can_be_sent() -> None:
    assert json.loads(json.dumps([CONTROLS, of_panel(Complete(), {})], allow_nan=False))


def test_the_page_knows_no_option_by_name_but_the_model_who_writes_too() -> None:
    made = module(*PARTS)
    wishes = {"stop", "raw", "end"}  # a button, the head of a column, a place of a caret
    assert [name for name in names() if f'"{name}"' in made and name not in wishes] == ["model"]
