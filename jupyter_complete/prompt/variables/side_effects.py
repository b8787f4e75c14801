"""Methods and functions that an expression may not have, known by their names: they read or write files, or change
the object they are of. docs/variables.md lists them for users."""

from __future__ import annotations

import re
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from ..values.writing import module_of

# -- files ---------------------------------------------------------------------------------------------------------

_FILES_BEGIN = ("read_", "load", "save", "dump", "write", "sink_", "scan_", "fetch_", "open_", "exec", "print_")
_FILES = frozenset(
    (
        *("read", "readline", "readlines", "open", "fromfile", "from_file", "tofile", "memmap", "genfromtxt", "test"),
        *("fromregex", "imread", "imsave", "imwrite", "urlopen", "urlretrieve", "get_handle", "DataSource"),
        *("ExcelFile", "ExcelWriter", "HDFStore", "eval", "compile", "system", "popen", "sql", "deserialize"),
        *("safe_dump", "safe_load", "unsafe_load", "full_load", "sendall", "sendfile", "download"),
        *("download_url_to_file", "get_rdataset", "get_file"),
    )
)
_FORMATS = re.compile(
    r"to_(excel|parquet|pickle|feather|hdf|stata|orc|sql|clipboard|gbq|netcdf|zarr|file|disk|iceberg|delta|avro)"
)
_TEXTS = re.compile(r"to_(csv|json|html|latex|markdown|string|xml)")
_PLACES = ("path", "path_or_buf", "path_or_buffer", "buf", "file", "fname", "fp")

# -- changes -------------------------------------------------------------------------------------------------------

_CHANGES = frozenset(
    (
        *("append", "appendleft", "extend", "extendleft", "insert", "insert_column", "replace_column", "pop"),
        *("popitem", "popleft", "update", "clear", "remove", "discard", "setdefault", "move_to_end", "fill", "put"),
        *("resize", "setflags", "setfield", "itemset", "drop_in_place", "scatter", "fit", "partial_fit", "train"),
        *(
            "backward",
            "zero_grad",
            "remove_data",
            "with_traceback",
            "add_note",
            "delete",
            "close",
            "cla",
            "clf",
            "commit",
            "send",
            "throw",
        ),
    )
)
_OF_MODULES = ("put", "place", "putmask", "copyto", "fill_diagonal", "put_along_axis", "shuffle", "seed", "close")
_SETS_ANEW = re.compile(
    r"set_(index|axis|flags|geometry|crs|sorted|union|intersection|difference|symmetric_difference|categories|levels"
    r"|codes|names)"
)
_POLARS_ANEW = ("update", "clear", "remove")
_FITS_ANEW = ("statsmodels", "scipy")
_BY_NAME = ("agg", "aggregate", "apply", "transform")  # which take a method by its name
_REACHES = re.compile(r"@|\.\s*[^\W\d]|__")  # in a query: variables, attributes, methods


def of_a_name(owner: object, name: str) -> str:
    """What the method or function `name` of `owner` would do that an expression may not; "" if nothing is known."""
    if isinstance(owner, str):
        return ""
    if _with_files(owner, name):
        return f"{name} reads or writes files, or runs code"
    if _changes(owner, name):
        return f"{name} changes the object"
    return ""


def is_watched(name: str) -> bool:
    """Whether what a function does is known by its arguments alone, so that nobody else may be let call it."""
    return bool(_TEXTS.fullmatch(name)) or name == "query" or name in _BY_NAME


def of_a_call(name: str, arguments: Iterable[Any], named: Mapping[str, Any]) -> str:
    """What a call does by its arguments that an expression may not; "" if nothing is known."""
    for word in ("inplace", "in_place", "out"):
        if named.get(word) is not None and named[word] is not False:
            return f"{word} changes the object"
    arguments = list(arguments)
    if _TEXTS.fullmatch(name):
        places = [*arguments[:1], *(named.get(word) for word in _PLACES)]
        return f"{name} writes a file" if any(place is not None for place in places) else ""
    if name == "query" and any(_REACHES.search(one) for one in _texts(arguments, named)):
        return "a query with @, an attribute or a method can reach anything"
    if name in _BY_NAME:
        for one in _texts(arguments, named):
            if said := (of_a_name(None, one) or of_a_call(one, ("",), {}) if one.isidentifier() else ""):
                return said
    return ""


def _with_files(owner: object, name: str) -> bool:
    if _FORMATS.fullmatch(name):
        return True
    if isinstance(owner, ModuleType):  # those of the standard library are let in one by one
        if owner.__name__.partition(".")[0] in sys.stdlib_module_names:
            return name in ("load", "dump")  # of json, to a file
    elif name == "test":
        return False
    return name in _FILES or name.startswith(_FILES_BEGIN)


def _changes(owner: object, name: str) -> bool:
    sets = name.startswith("set_") and not _SETS_ANEW.fullmatch(name)
    if isinstance(owner, ModuleType):
        return sets or name in _OF_MODULES
    kind = owner if isinstance(owner, type) else type(owner)
    library = str(kind.__module__).partition(".")[0]
    if library == "numpy" and name in ("sort", "partition", "at"):
        return name != "at" or kind.__name__ == "ufunc"
    if (library == "polars" and name in _POLARS_ANEW) or (library == "pandas" and kind.__name__.endswith("Index")):
        return False
    if library in _FITS_ANEW and name.startswith("fit"):
        return False
    if (issubclass(kind, Counter) and name == "subtract") or (issubclass(kind, deque) and name == "rotate"):
        return True
    ends = name.endswith("_update") or (module_of(owner) == "torch" and name.endswith("_"))
    return sets or ends or name in _CHANGES or name.startswith("fit_")


def _texts(arguments: Iterable[Any], named: Mapping[str, Any]) -> Iterator[str]:
    """The texts among arguments, and in the lists and dicts among them."""
    waiting = [*arguments, *named.values()]
    for _ in range(1_000):
        if not waiting:
            return
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif type(one) in (list, tuple, set):
            waiting += one
        elif type(one) is dict:
            waiting += [*one.values()]
