"""The JupyterLab extension that is committed is the one that its sources give, and an install puts it in place."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import jupyter_complete

ROOT = Path(__file__).resolve().parents[1]
SOURCES, BUILT = ROOT / "labextension", ROOT / "jupyter_complete" / "labextension"
SINGLE = ("build.mjs", "install.json", "package-lock.json", "package.json", "tsconfig.json")
FOLDERS = ("schema", "src", "style")


def test_it_was_built_from_these_sources() -> None:
    names = [*SINGLE, *(f"{folder}/{path.name}" for folder in FOLDERS for path in (SOURCES / folder).iterdir())]
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\n".encode())
        digest.update((SOURCES / name).read_bytes())
    stored = (BUILT / "sources.sha256").read_text(encoding="utf-8").strip()
    assert stored == digest.hexdigest(), "make labextension builds it anew"


def test_its_entry_is_there_and_its_version_is_the_package_s() -> None:
    package = json.loads((BUILT / "package.json").read_text(encoding="utf-8"))
    assert (BUILT / package["jupyterlab"]["_build"]["load"]).is_file()
    assert package["version"] == jupyter_complete.__version__
    assert (BUILT / "schemas" / "jupyter_complete" / "ghost.json").is_file()


def test_an_install_puts_it_where_jupyterlab_looks() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    shared = build["wheel"]["shared-data"]
    assert shared["jupyter_complete/labextension"] == "share/jupyter/labextensions/jupyter_complete"
    assert "labextension" in build["sdist"]["include"]


def test_it_names_no_other_server() -> None:
    built = "".join(path.read_text(encoding="utf-8") for path in (BUILT / "static").glob("*.js"))
    assert "https://" not in built.replace("https://www.w3.org", "")
