"""How often a suite repeats an act: quickly in `make test`, many times in `make soak`, which notes the counts."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from jupyter_complete.protocol.errors import CompleteError

VARIABLE = "JUPYTER_COMPLETE_SOAK"  # names the file for the figures of a long run


def count(quick: int, full: int) -> int:
    """How often to repeat: `full` times in `make soak`."""
    return full if os.environ.get(VARIABLE) else quick


def note(promise: str, **figures: Any) -> None:
    """Note what a long run measured for a promise of docs/promises.md."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    file = Path(path)
    noted = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    noted.setdefault(promise, {}).update(figures)
    file.write_text(json.dumps(noted, indent=1, sort_keys=True), encoding="utf-8")


def damage(path: Path, chance: random.Random) -> str:
    """Damage a file in one of the ways in which disks and killed programs do it; returns which."""
    data = bytearray(path.read_bytes())
    way = chance.choice(["cut", "emptied", "flipped", "zeroed", "gone", "longer", "swapped"])
    if way == "gone":
        path.unlink()
        return way
    if way == "emptied":
        data.clear()
    elif way == "longer":
        data += chance.randbytes(9)
    elif data:
        place = chance.randrange(len(data))
        if way == "cut":
            del data[place:]
        elif way == "flipped":
            data[place] ^= 1 << chance.randrange(8)
        elif way == "zeroed":
            end = min(len(data), place + chance.choice([1, 64, 4096]))
            data[place:end] = bytes(end - place) if any(data[place:end]) else b"\1" * (end - place)
        else:
            data = data[place:] + data[:place] if place and data[place:] + data[:place] != data else data + b"\0"
    path.write_bytes(data)
    return way


def one_sentence(error: CompleteError) -> None:
    """What a person reads of an error: one line that says what happened, and one that says what to do."""
    assert error.message, type(error)
    assert error.hint, error.message
    assert "\n" not in str(error), error
    assert len(str(error)) < 700, error
