"""The lists of families: they name each type once, every line is still true, and the page has the same types."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_family
from family_page import COLUMNS, PAGE, label, listed
from family_tables import KNOWN, OF_THE_YEAR, REFUSED, UNBUILT, contract
from tiny_family import families

import jupyter_complete as jc
from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.session.session import Session

BY_NAME = {family.name: family for family in families()}


def test_every_type_of_transformers_is_in_the_contract_or_in_a_list() -> None:
    assert {*UNBUILT} & {*REFUSED} == set()
    assert {*UNBUILT, *REFUSED, *OF_THE_YEAR} <= set(BY_NAME)
    assert {*KNOWN, *OF_THE_YEAR} <= {family.name for family in contract()}
    assert len(contract()) + len(UNBUILT) + len(REFUSED) == len(families())


@pytest.mark.families
@pytest.mark.parametrize("name", UNBUILT)
def test_a_type_that_is_left_out_cannot_be_built(name: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=UNBUILT[name]):
        tiny_family.save(BY_NAME[name], tmp_path)


@pytest.mark.families
@pytest.mark.parametrize("name", REFUSED)
def test_a_type_that_is_refused_is_refused_in_one_sentence(name: str, tmp_path: Path, session: Session) -> None:
    tiny_family.save(BY_NAME[name], tmp_path)
    with pytest.raises(CompleteError, match=REFUSED[name]) as caught:
        jc.load(tmp_path, dtype="float32")
    assert caught.value.message.count(". ") == 0


def test_the_page_names_exactly_the_types_of_transformers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert sorted(listed(text)) == sorted(map(label, families()))
    assert "| " + " | ".join(COLUMNS) + " |" in text
