"""Which test files need torch: read from their imports, so that no test has to be marked by hand."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "jupyter_complete"
HEAVY = frozenset({"torch", "transformers", "numba", "llvmlite", "llguidance"})
_SETTINGS = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = [PACKAGE.parent / folder for folder in _SETTINGS["tool"]["pytest"]["ini_options"]["pythonpath"]]


@cache
def needs_torch(path: Path) -> bool:
    """Whether a file imports one of HEAVY, or a file of ours that does, however far away.

    A test and a helper count with all of their functions, a module of the package with what its import runs.
    """
    seen, waiting = {path}, [path]
    while waiting:
        names = _imports(waiting.pop())
        if any(name.partition(".")[0] in HEAVY for name in names):
            return True
        new = {file for name in names for file in _files(name)} - seen
        seen |= new
        waiting += new
    return False


@cache
def _imports(path: Path) -> frozenset[str]:
    """The modules that a file imports."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.is_relative_to(TESTS) else _run(path)
    return frozenset(name for node in nodes for name in _named(node, path))


def _run(path: Path) -> Iterator[ast.AST]:
    """The nodes of a module that its import runs."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        yield node
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not later and not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            waiting += ast.iter_child_nodes(node)


def _named(node: ast.AST, path: Path) -> list[str]:
    """The modules that an import statement names, with those of a package's names that may be modules too."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        folder = path.parents[node.level - 1].relative_to(PACKAGE.parent)
        base = ".".join([*folder.parts, *filter(None, [base])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _files(name: str) -> list[Path]:
    """The files of ours that importing a module runs: its own, and those of the packages around it."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return [file for folder in FOLDERS if (file := folder / f"{parts[0]}.py").is_file()]
    places = [PACKAGE.joinpath(*parts[1 : end + 1]) for end in range(1, len(parts))]
    return [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]


class Refuse(MetaPathFinder):
    """Has every import of a heavy library fail, as where it is not installed."""

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> None:
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"{name} is not imported in a run without torch", name=name)

    def install(self) -> None:
        loaded = sorted(HEAVY & set(sys.modules))
        assert not loaded, f"{loaded} were imported already"
        sys.meta_path.insert(0, self)
