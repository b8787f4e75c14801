"""How Sphinx makes the site of docs/: `make docs`."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
COURSE = DOCS / "course"  # copies of the notebooks, made here and not kept in git
sys.path.insert(0, str(DOCS.parent / "tests"))  # reference.py

project = "jupyter_complete"
author = "the jupyter_complete developers"
release = version_of("jupyter_complete")
version = release

extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
highlight_language = "none"  # of indented blocks, which hold cells and shell lines
nitpicky = True
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the notebooks hold the outputs that make notebooks made
nb_mime_priority_overrides = [("*", "application/vnd.jupyter.widget-view+json", None)]
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header"]

html_theme = "pydata_sphinx_theme"
html_title = "jupyter_complete"
html_static_path = ["_static"]
html_css_files = ["site.css"]
smartquotes = False  # two dashes are an option
html_show_sourcelink = False
html_theme_options = {
    "github_url": "",
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ |In \[\d*\]: "
copybutton_prompt_is_regexp = True


SECTIONS = {
    "start": ("install", "first-cell", "choose-a-model", "coming-from"),
    "howto/README": ("howto/write", "howto/read", "howto/data", "howto/measure", "howto/inside", "howto/models"),
    "guides": ("cells", "variables", "chat", "tasks", "structure", "dataframes", "panels", "ghost", "models", "*"),
    "concepts": ("inside",),
    "teaching": ("course/*",),
    "reference/README": ("reference/magics", "reference/options", "reference/*", "supported-models"),
    "project": ("performance", "security", "promises", "architecture", "decisions/README", "reference/changelog"),
    "decisions/README": ("decisions/*",),
}
"""The pages below a page. A star stands for the pages that are named nowhere. GitHub shows these pages too, so the
lists for Sphinx stand here."""


def copy_notebooks(app: object) -> None:
    """Copy the notebooks to below docs/, where Sphinx reads."""
    COURSE.mkdir(exist_ok=True)
    for path in sorted((DOCS.parent / "notebooks").glob("*.ipynb")):
        shutil.copy2(path, COURSE / path.name)


def point_links(app: object, name: str, source: list[str]) -> None:
    """Point the links between docs/, notebooks/ and the top, which hold in the repository, to the pages of the site."""
    if name in SECTIONS:
        source[0] += "\n".join(["\n```{toctree}", ":hidden:", "", *_pages_below(name), "```", ""])
    source[0] = source[0].replace("](../docs/", "](../").replace("](../notebooks/", "](course/")
    if name == "reference/changelog":
        source[0] = source[0].replace("](docs/", "](../")


def _pages_below(name: str) -> list[str]:
    """The addresses of the pages of a section."""
    named = {"index", *SECTIONS, *(page for pages in SECTIONS.values() for page in pages)}
    found: list[str] = []
    for page in SECTIONS[name]:
        files = [path.relative_to(DOCS) for path in sorted(DOCS.glob(page)) if path.suffix in source_suffix]
        names = [path.with_suffix("").as_posix() for path in files]
        found += [one for one in names if one not in named] if "*" in page else [page]
    return [f"/{page}" for page in found]


def write_reference(app: object) -> None:
    """Write the pages that come from the package, and the changelog, whose place is at the top of the repository."""
    import reference

    reference.write(reference.BUILT)
    shutil.copy2(DOCS.parent / "CHANGELOG.md", DOCS / "reference" / "changelog.md")


def write_llms(app: Any, error: Exception | None) -> None:
    """Write llms.txt: every page with its first sentence and the address of its Markdown."""
    if error is not None or app.builder.name != "html":
        return
    lines = ["# jupyter_complete", "", f"> {_first_sentence((DOCS / 'index.md').read_text(encoding='utf-8'))}", ""]
    for name in sorted(app.env.found_docs):
        source = DOCS / f"{name}.md"
        if source.exists() and not name.startswith("decisions/") and name != "index":
            text = source.read_text(encoding="utf-8")
            title = text.partition("\n")[0].removeprefix("# ")
            lines.append(f"- [{title}](_sources/{name}.md.txt): {_first_sentence(text)}")
    (Path(app.outdir) / "llms.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _first_sentence(page: str) -> str:
    """The first sentence of a page's first paragraph, without links; a page can begin with a block or a table."""
    blocks = [block for block in page.split("\n\n")[1:] if block[0] not in " #|`!<-:" or block.startswith("`%")]
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", " ".join(blocks[0].split())) if blocks else ""
    return re.split(r"(?<=[.:])\s", text, maxsplit=1)[0]


def setup(app: Any) -> None:
    app.connect("builder-inited", copy_notebooks)
    app.connect("builder-inited", write_reference)
    app.connect("build-finished", write_llms)
    app.connect("source-read", point_links)
