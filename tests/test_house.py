"""The house: rooms import downwards only, heavy libraries stay in their rooms, names and options are declared once."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import house
import layout
import pytest
from traitlets import Bool

import jupyter_complete
from jupyter_complete.notebook import arguments
from jupyter_complete.protocol import errors
from jupyter_complete.protocol.config import COMPLETE, MODEL, THREAD, Complete
from jupyter_complete.protocol.request import Framing
from jupyter_complete.protocol.sampling import Sampling

# Who may import a library; nobody may import one that has no room.
ROOMS = {
    "torch": ("engine",),
    "transformers": ("engine",),
    "numba": ("engine",),
    "httpx2": ("engine/remote", "serve"),
    "llguidance": ("engine/decoding", "engine/remote"),
    "huggingface_hub": ("sources",),
    "anywidget": ("widgets",),
    "jinja2": ("prompt/variables",),
    "narwhals": ("frames",),
    "sqlite3": ("frames",),
    "ray": ("frames",),
    "pyarrow": ("frames",),
    "markdown_it": ("render",),
    "nbclient": ("cli",),
    "tornado": ("serve",),
}

LATE = (
    "httpx2",
    "torch",
    "transformers",
    "numba",
    "anywidget",
    "narwhals",
    "numpy",
    "pandas",
    "polars",
    "llguidance",
    "pydantic",
    "jinja2",
    "ray",
    "pyarrow",
)


def libraries(module: str) -> set[str]:
    """Top-level names of what a module imports from elsewhere, wherever in it the import stands."""
    nodes = list(house.nodes(module))
    absolute = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    absolute |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in absolute}


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
        for room in house.modules()
        for node in ast.walk(house.tree(room))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in our_errors()
    ]


def modules_after(code: str) -> set[str]:
    """What is in sys.modules of a fresh Python after `code`."""
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("of", house.HOUSES)
def test_every_room_has_a_floor(of: str) -> None:
    rooms = {house.room(module, of) for module in house.modules()} - {"", f"{of}__init__" if of else ""}
    floors = {room for rooms in house.HOUSES[of].values() for room in rooms}
    assert rooms == floors, house.corrected(of)


@pytest.mark.parametrize("of", house.HOUSES)
def test_a_room_imports_from_lower_floors_only(of: str) -> None:
    assert not house.upward(of), "\n".join([*house.upward(of), house.corrected(of)])


def test_no_imports_go_in_a_circle() -> None:
    assert not house.circles(), "\n".join(house.circles())


def test_what_is_imported_by_name_stands_in_the_table_of_doors() -> None:
    elsewhere = {module: names for module in house.modules() if (names := house.by_name(module))}
    assert not elsewhere


def test_every_door_is_opened_and_leads_somewhere() -> None:
    opened = {name for module in house.modules() for name in house.doors_of(module)}
    assert opened == set(house.doors())
    assert not [name for name, module in house.doors().items() if behind(name) not in defined(module)]


def test_only_values_that_display_themselves_have_doors_that_lead_back() -> None:
    assert house.door_rings() == [
        "protocol/views → render/views → protocol/views",
        "results/completion → render/views → results/completion",
        "session/inside → widgets/inside → session/inside",
    ]


def test_modules_are_imported_by_name_in_three_places() -> None:
    names = {"import_module", "__import__"}
    used = {
        module
        for module in house.modules()
        for node in house.nodes(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names
    }
    libraries = {"engine/weights/rope_table"}  # a class of transformers
    assert used - libraries == {"__init__", "protocol/doors", "protocol/folder"}


def test_no_room_has_the_name_of_a_public_function() -> None:
    assert not {house.room(module) for module in house.modules()} & set(jupyter_complete._PUBLIC)


def behind(name: str) -> str:
    """The function or class that a door opens."""
    return jupyter_complete.DOORS[name].partition(":")[2]


def defined(module: str) -> set[str]:
    """Names of the functions and classes of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in house.tree(module).body if isinstance(node, kinds)}


def test_the_house_stays_small() -> None:
    assert len({house.room(module) for module in house.modules()}) <= 16
    assert len(house.FLOORS) <= 7


def test_functions_and_files_stay_short() -> None:
    sizes = house.sizes()
    assert sizes.p90 <= 20
    assert sizes.biggest[0] <= 400, sizes.biggest


def test_functions_have_six_parameters_or_fewer_but_for_nine() -> None:
    assert len(house.sizes().many) < 10, "\n".join(house.sizes().many)


def test_parameters_have_types_that_say_something() -> None:
    assert house.sizes().any_share < 0.08


def test_late_doors_are_fifteen() -> None:
    assert len(house.doors()) == 15


def test_every_module_has_a_test_file_of_its_name_or_a_reason() -> None:
    files = layout.test_files()
    without = {one for one in house.modules() if layout.has_code(one) and layout.test_of(one) not in files}
    assert {layout.entry(one) for one in without} == set(layout.UNTESTED), "UNTESTED in tests/layout.py says otherwise"


def test_every_test_file_has_a_module_of_its_name_or_a_reason() -> None:
    of_a_room = [one for one in layout.test_files() if one.split("/")[0] not in layout.OWN_ROOMS]
    without = {one for one in of_a_room if layout.module_of(one) not in house.modules()}
    assert without == set(layout.OF_NO_MODULE), "OF_NO_MODULE in tests/layout.py says otherwise"


def test_where_a_module_is_tested_there_is_a_test_file() -> None:
    named = {one: where.partition(": ") for one, where in layout.UNTESTED.items()}
    assert all(file in layout.test_files() and reason for file, _, reason in named.values())


def test_every_room_of_tests_is_a_room_of_the_package_or_one_of_its_own() -> None:
    rooms = {one.split("/")[0] for one in layout.test_files() if "/" in one}
    assert rooms <= {house.room(module) for module in house.modules()} | set(layout.OWN_ROOMS)


@pytest.mark.parametrize("library", ROOMS)
def test_a_heavy_library_is_imported_in_its_own_room_only(library: str) -> None:
    elsewhere = [
        module
        for module in house.modules()
        if library in libraries(module) and not any(module.startswith(f"{room}/") for room in ROOMS[library])
    ]
    assert not elsewhere, f"{library} belongs into {ROOMS[library]}"


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
    block = next(
        n for n in house.tree("__init__").body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"
    )
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
