"""The types of options that editors complete, from config.Complete; `python tests/options.py` writes the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from traitlets import Bool, Enum, Float, Int, List, TraitType, Unicode

import jupyter_complete
from jupyter_complete.protocol.config import COMPLETE, MODEL, Complete

FILE = Path(jupyter_complete.__file__).parent / "protocol" / "options.py"

TEMPLATE = '''"""Options of Python's verbs as types, so that an editor completes and checks them.

Written from config.Complete, where an option is declared, by `python tests/options.py`; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Literal, Protocol, TypeAlias, TypedDict, runtime_checkable


@runtime_checkable
class ModelName(Protocol):
    """A model as Python holds it, jupyter_complete.Model."""

    @property
    def name(self) -> str: ...


Dtype: TypeAlias = {dtype}
KV: TypeAlias = {kv}


class FrameOptions(TypedDict, total=False):
    """Options of complete_frame."""

{frame}


class Options(FrameOptions, total=False):
    """Options of complete, stream, score, compare and inside: those of a single completion too."""

{single}
'''


def source() -> str:
    """What the file should hold."""
    single = Complete.class_traits(single=True)
    lines = {name: f"    {name}: {kind(name, trait)}" for name, trait in python_options()}
    return TEMPLATE.format(
        dtype=literal(dict(Complete.flagged(MODEL))["dtype"]),
        kv=literal(dict(Complete.flagged(MODEL))["kv"]),
        frame="\n".join(line for name, line in lines.items() if name not in single),
        single="\n".join(line for name, line in lines.items() if name in single),
    )


def python_options() -> Iterator[tuple[str, TraitType[Any, Any]]]:
    """The options of a call in Python: those of %%complete that are not for cells only, and some settings."""
    for name, trait in Complete.flagged(COMPLETE):
        if not trait.metadata.get("cell_only"):
            yield name, trait
    yield from sorted(Complete.class_traits(python=True).items())


def kind(name: str, trait: TraitType[Any, Any]) -> str:
    """The type of an option's values, as config.Complete checks them; None asks for nothing where it is accepted."""
    if name == "model":
        return "str | PathLike[str] | ModelName | None"
    for of, said in ((Bool, "bool"), (Int, "int"), (Float, "float")):
        if isinstance(trait, of):
            return said + " | None" * trait.allow_none
    if isinstance(trait, Enum):
        return f"{literal(trait)} | None"
    if isinstance(trait, List):
        return "Sequence[str] | None"
    return "str | None" if isinstance(trait, Unicode) else "object"


def literal(trait: TraitType[Any, Any]) -> str:
    assert isinstance(trait, Enum)
    return f"Literal[{', '.join(repr(value) for value in trait.values).replace(chr(39), chr(34))}]"


if __name__ == "__main__":
    FILE.write_text(source(), encoding="utf-8")
