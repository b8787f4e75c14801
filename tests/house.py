"""The house by its own syntax trees: rooms, floors, arrows, circles, sizes; `python tests/house.py` prints it.

A room is a folder or a module at the top of the package; engine/ and prompt/ have rooms of their own. An arrow is an
import, wherever it stands in a module. The late doors, opened by name, stand in one table in __init__.py: arrows of
its own, which all run down.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1] / "jupyter_complete"
DOORS_FILE = "__init__"

# A room imports from lower floors only. Keys are floors; a room of a house below is named by its path.
FLOORS = {
    1: ("protocol",),
    2: ("prompt", "results", "sources"),
    3: ("engine", "render", "session"),
    4: ("notebook",),
    5: ("api", "frames", "ghost", "serve", "widgets"),
    6: ("cli", "__init__"),
}
ENGINE = {
    1: ("engine/details", "engine/kernels", "engine/machine", "engine/text"),
    2: ("engine/echo", "engine/remote", "engine/weights"),
    3: ("engine/runners",),
    4: ("engine/decoding",),
    5: ("engine/inside", "engine/probe"),
    6: ("engine/local", "engine/plan"),
    7: ("engine/packed",),
    8: ("engine/load", "engine/sharing"),
}
PROMPT = {
    1: ("prompt/values",),
    2: ("prompt/variables", "prompt/compose", "prompt/schema_types"),
    3: ("prompt/tasks", "prompt/schema"),
}
HOUSES = {"": FLOORS, "engine/": ENGINE, "prompt/": PROMPT}

UNTYPED = "engine/kernels/"  # numba infers the types of what it compiles


class Sizes(NamedTuple):
    """What the house test holds to ceilings."""

    p90: int  # lines of a function
    longest: tuple[int, str]  # lines of the longest function
    biggest: tuple[int, str]  # lines of the biggest file
    many: list[str]  # functions with more than six parameters
    any_share: float  # of parameters that are Any, outside the compiled kernels


def modules() -> list[str]:
    """Every module as a path without its ending: "api", "engine/local"; a folder's own code is "engine/__init__"."""
    return sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def nodes(module: str) -> Iterator[ast.AST]:
    """All of a module's code; of the package's __init__, not what is imported for type checkers alone."""
    waiting: list[ast.AST] = [tree(module)]
    while waiting:
        node = waiting.pop()
        yield node
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (typing_only and module == "__init__"):
            waiting += ast.iter_child_nodes(node)


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of ours that a module imports, wherever in it the import stands; what the table of doors names, and what
    `members` finds in a folder, too."""
    found = set(doors().values()) if module == DOORS_FILE else set()
    for node in nodes(module):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = PACKAGE.joinpath(*module.split("/")).parents[node.level - 1]
            found |= {_named(folder, node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "members":
            folder = f"{module.rpartition('/')[0]}/{ast.literal_eval(node.args[1])}/"
            found |= {other for other in modules() if other.startswith(folder)}
    return frozenset(found - {module})


@cache
def doors() -> dict[str, str]:
    """The late doors: their names, and the module behind each."""
    table = next(
        node.value
        for node in tree(DOORS_FILE).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOORS"
    )
    return {name: _module(where) for name, where in ast.literal_eval(table).items()}


@cache
def doors_of(module: str) -> frozenset[str]:
    """Names of the late doors that a module opens."""
    called = [node for node in nodes(module) if isinstance(node, ast.Call) and ast.unparse(node.func) == "door"]
    return frozenset(ast.literal_eval(call.args[0]) for call in called)


def by_name(module: str) -> list[str]:
    """Texts of a module that name modules of ours, as imports by name do, outside the table of doors."""
    texts = (node.value for node in nodes(module) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    named = [text for text in texts if text.startswith("jupyter_complete.") and _module(text) in modules()]
    return [] if module == DOORS_FILE else named


def door_rings() -> list[str]:
    """Doors that lead back: the module behind a door imports, however far away, the module that opens it."""
    return [
        f"{module} → {behind} → {module}"
        for module in modules()
        for name in sorted(doors_of(module))
        if module in _reached(behind := doors()[name])
    ]


def _reached(module: str) -> set[str]:
    seen, waiting = {module}, [module]
    while waiting:
        new = imports(waiting.pop()) - seen
        seen |= new
        waiting += new
    return seen


def room(module: str, house: str = "") -> str:
    """The room of a house ("" or "engine/") that a module belongs to; "" for a module elsewhere."""
    if not module.startswith(house):
        return ""
    inner = module.removeprefix(house)
    return house + inner.split("/")[0]


def floor(name: str, floors: dict[int, tuple[str, ...]]) -> int | None:
    return next((number for number, rooms in floors.items() if name in rooms), None)


def arrows(house: str = "") -> dict[tuple[str, str], list[str]]:
    """From room to room, and the imports each arrow stands for."""
    found: dict[tuple[str, str], list[str]] = {}
    for module in modules():
        here = room(module, house)
        for other in sorted(imports(module)):
            there = room(other, house)
            if here and there and here != there and not there.endswith("__init__"):
                found.setdefault((here, there), []).append(f"{module} → {other}")
    return found


def upward(house: str = "") -> list[str]:
    """Imports from a floor to the same one or a higher one."""
    floors = HOUSES[house]
    return [
        line
        for (here, there), lines in arrows(house).items()
        if (floor(there, floors) or 0) >= (floor(here, floors) or 0)
        for line in lines
    ]


def circles() -> list[str]:
    """Rings of modules that import each other, those that the table of doors names included."""
    done: set[str] = set()
    found: set[tuple[str, ...]] = set()

    def follow(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            found.add((*path[path.index(module) :], module))
        elif module not in done:
            for other in sorted(imports(module)):
                follow(other, (*path, module))
            done.add(module)

    for module in modules():
        follow(module, ())
    return [" → ".join(ring) for ring in sorted(found)]


def corrected(house: str = "") -> str:
    """The lowest floors that the imports allow, to compare the table with."""
    below: dict[str, set[str]] = {room(module, house): set() for module in modules() if room(module, house)}
    for here, there in arrows(house):
        below[here].add(there)
    lowest: dict[str, int] = {}

    def place(name: str, above: tuple[str, ...] = ()) -> int:
        if name not in lowest and name not in above:
            lowest[name] = max((place(other, (*above, name)) + 1 for other in below[name]), default=1)
        return lowest.get(name, 1)

    for name in below:
        place(name)
    lines = [f"    {n}: {tuple(sorted(p for p in lowest if lowest[p] == n))!r}," for n in sorted(set(lowest.values()))]
    return f"The lowest floors that the imports allow in {house or 'the package'}:\n" + "\n".join(lines)


def sizes() -> Sizes:
    functions = [(module, node) for module in modules() for node in ast.walk(tree(module)) if isinstance(node, _DEFS)]
    lengths = sorted((_lines(node), f"{module}.{node.name}") for module, node in functions)
    files = [(len((PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()), module) for module in modules()]
    many = [f"{module}.{node.name} ({count})" for module, node in functions if (count := len(_parameters(node))) > 6]
    typed = [one for module, node in functions if not module.startswith(UNTYPED) for one in _parameters(node)]
    loose = [one for one in typed if one.annotation is None or ast.unparse(one.annotation) == "Any"]
    return Sizes(lengths[int(0.9 * len(lengths))][0], lengths[-1], max(files), many, len(loose) / len(typed))


def report() -> str:
    rooms = {room(module) for module in modules()} - {"__init__"}  # which is the door to them
    measured = sizes()
    lengths = [_lines(node) for module in modules() for node in ast.walk(tree(module)) if isinstance(node, _DEFS)]
    lines = [
        f"rooms at the top: {len(rooms)}, floors: {len(FLOORS)}, arrows between them: {len(arrows())}",
        f"arrows up: {len(upward())}, late doors: {len(doors())}, circles of modules: {len(circles())}",
        f"doors that lead back to the module that opens them: {len(door_rings())}",
    ]
    for house, floors in HOUSES.items():
        lines += ["", f"{house or 'jupyter_complete/'}: upward {len(upward(house))}"]
        lines += [f"  F{number}  {'  '.join(floors[number])}" for number in sorted(floors, reverse=True)]
        lines += [f"  up: {line}" for line in upward(house)]
    lines += ["", "late doors:"]
    for name, behind in doors().items():
        lines.append(f"  {name}: {behind}, opened by {', '.join(m for m in modules() if name in doors_of(m))}")
    lines += [f"  leads back: {ring}" for ring in door_rings()]
    lines += ["", f"files: {len(modules())}, biggest {measured.biggest[0]} lines ({measured.biggest[1]})"]
    lines += [
        f"functions: {len(lengths)}, median {median(lengths):.0f} lines, p90 {measured.p90}, longest "
        f"{measured.longest[0]} ({measured.longest[1]})"
    ]
    lines += [f"functions with more than six parameters: {len(measured.many)}"]
    lines += [f"  {one}" for one in measured.many]
    lines += [f"parameters that are Any, outside the compiled kernels: {measured.any_share:.1%}"]
    return "\n".join(lines)


_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    every += [one for one in (node.args.vararg, node.args.kwarg) if one is not None]
    return [one for one in every if one.arg not in ("self", "cls")]


def _module(where: str) -> str:
    """ "jupyter_complete.widgets.panel:open_panel" as "widgets/panel"."""
    return where.partition(":")[0].removeprefix("jupyter_complete.").replace(".", "/")


def _named(folder: Path, module: str | None, name: str) -> str:
    """The module that `from .module import name` reads."""
    place = folder.joinpath(*(module or "").split(".")) if module else folder
    for path in (place / name, place / name / "__init__", place, place / "__init__"):
        if path.with_suffix(".py").is_file():
            return path.relative_to(PACKAGE).as_posix()
    raise AssertionError(f"{module}.{name} is no module of the package")


if __name__ == "__main__":
    print(report())
    sys.exit(bool(upward() or circles()))
