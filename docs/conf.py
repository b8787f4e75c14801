"""How Sphinx makes the site of docs/: `make docs`."""

from __future__ import annotations

import shutil
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
COURSE = DOCS / "course"  # copies of the notebooks, made here and not kept in git

project = "jupyter_complete"
author = "the jupyter_complete developers"
release = version_of("jupyter_complete")
version = release

extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the notebooks hold the outputs that make notebooks made
nb_mime_priority_overrides = [("*", "application/vnd.jupyter.widget-view+json", None)]
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header"]

html_theme = "pydata_sphinx_theme"
html_title = "jupyter_complete"
html_static_path: list[str] = []
html_show_sourcelink = False
html_theme_options = {
    "github_url": "",
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ |In \[\d*\]: "
copybutton_prompt_is_regexp = True


def copy_notebooks(app: object) -> None:
    """Copy the notebooks to below docs/, where Sphinx reads."""
    COURSE.mkdir(exist_ok=True)
    for path in sorted((DOCS.parent / "notebooks").glob("*.ipynb")):
        shutil.copy2(path, COURSE / path.name)


def point_links(app: object, name: str, source: list[str]) -> None:
    """Point the links between docs/ and notebooks/, which hold in the repository, to the pages of the site."""
    source[0] = source[0].replace("](../docs/", "](../").replace("](../notebooks/", "](course/")


def setup(app: Any) -> None:
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", point_links)
