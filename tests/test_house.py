"""The house: rooms import downwards only, heavy libraries stay in their rooms, names and options are declared once."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from traitlets import Bool

import jupyter_complete
from jupyter_complete import arguments, errors
from jupyter_complete.config import COMPLETE, MODEL, THREAD, Complete
from jupyter_complete.request import Framing, Sampling

PACKAGE = Path(jupyter_complete.__file__).parent

# A room imports from its own floor or a lower one. A name that ends in "/" is a folder, and all that lies in it.
FLOORS = {
    0: ("errors", "request", "events", "composed", "structure", "questions"),
    1: (
        *("config", "schemas", "schema_types", "prompt", "asking", "columns", "textstream", "engine", "measures"),
        *("render/", "tasks/", "braces", "harmless", "effects", "reaching", "grammar", "sandbox"),
        *("variables", "forms/", "findings", "replay", "levels", "pieces", "tracefile", "quiz"),
    ),
    2: ("known", "completion", "answers", "branches", "results", "trace", "comparison", "sources/", "local/"),
    3: ("models", "worker", "inbox", "handover"),
    4: ("session", "opened"),
    5: (
        *("arguments", "ascode", "status", "typed", "notebook", "newcell", "display", "lines", "magics", "python"),
        *("filling", "frames", "accessors"),
    ),
    6: ("widgets/",),
    7: ("cli", "demo", "__init__"),
}

# Who may import a library; nobody may import one that has no room.
ROOMS = {
    "torch": ("local/",),
    "transformers": ("local/",),
    "numba": ("local/",),
    "llguidance": ("local/constrain",),
    "huggingface_hub": ("sources/",),
    "anywidget": ("widgets/",),
    "jinja2": ("sandbox", "grammar"),
    "narwhals": ("frames",),
    "sqlite3": ("results",),
}

# Rooms of one floor that stay apart.
APART = [("sources/", "local/"), ("completion", "sources/"), ("completion", "local/")]

LATE = (
    "torch",
    "transformers",
    "numba",
    "anywidget",
    "narwhals",
    "pandas",
    "polars",
    "llguidance",
    "pydantic",
    "jinja2",
)


def rooms() -> list[str]:
    """Every module as a path without its ending: "config", "local/engine"."""
    return sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


@cache
def tree(room: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))


def nodes(room: str) -> Iterator[ast.AST]:
    """All of a module's code; of __init__, not what is imported for type checkers alone."""
    waiting: list[ast.AST] = [tree(room)]
    while waiting:
        node = waiting.pop()
        yield node
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (typing_only and room == "__init__"):
            waiting += ast.iter_child_nodes(node)


def libraries(room: str) -> set[str]:
    """Top-level names of what a module imports from elsewhere, wherever in it the import stands."""
    absolute = {alias.name for node in nodes(room) if isinstance(node, ast.Import) for alias in node.names}
    absolute |= {node.module or "" for node in nodes(room) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in absolute}


@cache
def imports(room: str) -> frozenset[str]:
    """Rooms that a module imports, wherever in it the import stands."""
    found = set()
    for node in nodes(room):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = PACKAGE.joinpath(*room.split("/")).parents[node.level - 1]
            found |= {named(folder, node.module, alias.name) for alias in node.names}
    return frozenset(found - {room})


def named(folder: Path, module: str | None, name: str) -> str:
    """The room that `from .module import name` reads."""
    place = folder.joinpath(*(module or "").split("."))
    for path in (place / name, place, place / "__init__"):
        if path.with_suffix(".py").is_file():
            return path.relative_to(PACKAGE).as_posix()
    raise AssertionError(f"{module}.{name} is no module of the package")


def within(room: str, place: str) -> bool:
    return room.startswith(place) if place.endswith("/") else room == place


def floor_of(room: str) -> int | None:
    return next((floor for floor, places in FLOORS.items() if any(within(room, place) for place in places)), None)


def place_of(room: str) -> str:
    folder, slash, _ = room.partition("/")
    return folder + slash


def corrected_table() -> str:
    """The lowest floors that the imports allow, to compare FLOORS with."""
    lowest: dict[str, int] = {}

    def floor(place: str, above: tuple[str, ...] = ()) -> int:
        if place not in lowest and place not in above:
            below = {place_of(other) for room in rooms() if place_of(room) == place for other in imports(room)}
            lowest[place] = max((floor(other, (*above, place)) + 1 for other in below - {place}), default=0)
        return lowest.get(place, 0)

    for room in rooms():
        floor(place_of(room))
    lines = [f"    {n}: {tuple(sorted(p for p in lowest if lowest[p] == n))!r}," for n in sorted(set(lowest.values()))]
    return "The lowest floors that the imports allow:\nFLOORS = {\n" + "\n".join(lines) + "\n}"


def our_errors() -> dict[str, type[errors.CompleteError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.CompleteError)
    }


def error_calls() -> list[tuple[str, ast.Call]]:
    """Every place where the package makes an error of its own."""
    return [
        (f"{room}.py:{node.lineno}", node)
        for room in rooms()
        for node in ast.walk(tree(room))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in our_errors()
    ]


def modules_after(code: str) -> set[str]:
    """What is in sys.modules of a fresh Python after `code`."""
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_every_room_has_a_floor() -> None:
    homeless = [room for room in rooms() if floor_of(room) is None]
    assert not homeless, f"no floor: {homeless}\n{corrected_table()}"


def test_every_floor_names_rooms_that_exist() -> None:
    gone = [p for places in FLOORS.values() for p in places if not any(within(room, p) for room in rooms())]
    assert not gone, f"no such room: {gone}\n{corrected_table()}"


def test_no_room_imports_upwards() -> None:
    upwards = [
        f"{room} (F{floor_of(room)}) imports {other} (F{floor_of(other)})"
        for room in rooms()
        for other in sorted(imports(room))
        if (floor_of(other) or 0) > (floor_of(room) or 0)
    ]
    assert not upwards, "\n".join([*upwards, corrected_table()])


def test_no_imports_go_in_a_circle() -> None:
    circles: set[tuple[str, ...]] = set()

    def follow(room: str, path: tuple[str, ...]) -> None:
        if room in path:
            circles.add((*path[path.index(room) :], room))
        elif room not in done:
            for other in sorted(imports(room)):
                follow(other, (*path, room))
            done.add(room)

    done: set[str] = set()
    for room in rooms():
        follow(room, ())
    assert not circles, "\n".join(" → ".join(circle) for circle in circles)


@pytest.mark.parametrize(("room", "other"), APART)
def test_rooms_of_one_floor_that_stay_apart(room: str, other: str) -> None:
    met = [f"{a} imports {b}" for a in rooms() if within(a, room) for b in imports(a) if within(b, other)]
    assert not met


@pytest.mark.parametrize("library", ROOMS)
def test_a_heavy_library_is_imported_in_its_own_room_only(library: str) -> None:
    elsewhere = [
        room for room in rooms() if library in libraries(room) and not any(within(room, p) for p in ROOMS[library])
    ]
    assert not elsewhere, f"{library} belongs into {ROOMS[library] or 'no room yet'}"


def test_the_lowest_floor_needs_the_standard_library_only() -> None:
    foreign = {
        room: libraries(room) - sys.stdlib_module_names
        for room in FLOORS[0]
        if libraries(room) - sys.stdlib_module_names
    }
    assert not foreign


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert not modules_after("import jupyter_complete").intersection(LATE)


def test_loading_the_extension_loads_no_heavy_library() -> None:
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_line_magic('load_ext', 'jupyter_complete')\n"
        "assert 'complete' in shell.magics_manager.magics['cell']"
    )
    assert not modules_after(code).intersection(LATE)


def test_the_public_names_are_the_lazy_ones_and_the_extension() -> None:
    own = {"__version__", "load_ipython_extension", "unload_ipython_extension"}
    assert jupyter_complete.__all__ == sorted(own | set(jupyter_complete._PUBLIC))


@pytest.mark.parametrize("name", jupyter_complete.__all__)
def test_a_public_name_is_there_with_a_docstring(name: str) -> None:
    value = getattr(jupyter_complete, name)
    assert isinstance(value, str) or value.__doc__


def test_public_names_for_type_checkers_are_the_lazy_ones() -> None:
    block = next(n for n in tree("__init__").body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert typed == jupyter_complete._PUBLIC


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        jupyter_complete.nonsense  # noqa: B018


def test_every_option_has_help() -> None:
    assert not [name for of in (COMPLETE, MODEL, THREAD) for name, trait in Complete.flagged(of) if not trait.help]


@pytest.mark.parametrize("of", [COMPLETE, MODEL, THREAD])
def test_no_two_options_of_a_magic_share_a_flag(of: str) -> None:
    flags = [flag for _, trait in Complete.flagged(of) for flag in trait.metadata["flag"]]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize(
    ("parser", "of"),
    [(arguments.CELL, COMPLETE), (arguments.LINE, COMPLETE), (arguments.MODELS, MODEL), (arguments.THREADS, THREAD)],
)
def test_a_parser_knows_the_flags_that_config_declares_and_no_others(parser: arguments.Parser, of: str) -> None:
    declared = set()
    for _, trait in Complete.flagged(of):
        declared |= set(trait.metadata["flag"])
        if isinstance(trait, Bool):
            declared |= {"--no-" + flag.removeprefix("--") for flag in trait.metadata["flag"] if flag.startswith("--")}
    assert set(parser.flags()) == declared


@pytest.mark.parametrize("part", [Sampling, Framing])
def test_every_field_of_a_request_s_parts_is_an_option(part: type[Sampling] | type[Framing]) -> None:
    assert set(part.__dataclass_fields__) <= set(Complete.class_trait_names())


def test_the_errors_docstring_draws_every_error_under_its_parent() -> None:
    drawn, path = {}, []
    for line in (errors.__doc__ or "").splitlines():
        name = line.split()[0] if line.strip() else ""
        if name in our_errors():
            depth = (len(line) - len(line.lstrip())) // 2
            path = [*path[:depth], name]
            drawn[name] = path[-2] if depth else "Exception"
    assert drawn == {name: error.__bases__[0].__name__ for name, error in our_errors().items()}


def test_every_error_says_what_to_do() -> None:
    silent = [
        f"{place}: {ast.unparse(call)[:80]}"
        for place, call in error_calls()
        if not (len(call.args) == 2 or any(keyword.arg == "hint" for keyword in call.keywords))
    ]
    assert not silent, "\n".join(silent)


def test_every_error_message_ends_in_a_full_stop() -> None:
    unfinished = []
    for place, call in error_calls():
        message = call.args[0]
        parts = message.values if isinstance(message, ast.JoinedStr) else [message]
        if isinstance(parts[-1], ast.Constant) and not parts[-1].value.endswith("."):
            unfinished.append(f"{place}: {ast.unparse(message)}")
    assert not unfinished, "\n".join(unfinished)
