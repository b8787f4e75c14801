"""The ES modules, run by node on a page of jsdom; js/ has what is asked of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hostile import TEXTS

from jupyter_complete.protocol.config import Complete
from jupyter_complete.render.html import visible
from jupyter_complete.render.panel import head
from jupyter_complete.results.trace import KNOBS
from jupyter_complete.widgets.cell_writer import PARTS as OF_CELL_WRITER
from jupyter_complete.widgets.controls import CONTROLS, of_panel
from jupyter_complete.widgets.inside import PARTS as OF_INSIDE
from jupyter_complete.widgets.panel import PARTS
from jupyter_complete.widgets.transformer import PARTS as OF_TRANSFORMER
from jupyter_complete.widgets.view import module, sendable, styles

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent / "js"
HINT = "The widgets' modules are tested by node: install Node.js 20 or newer with npm, then run make node."
VIEWS = {"panel": PARTS, "tokens": ("common", "control_channel", "alive", "notebook", "tokens")}
VIEWS |= {"inside": OF_INSIDE, "transformer": OF_TRANSFORMER, "cell_writer": OF_CELL_WRITER}
VIEWS |= {view: ("common", "control_channel", "alive", "notebook", view) for view in ("models", "background")}
INSIDE = {
    "panel": "aliveOf, textCopy, edited, shield, unshield, visible, settingsPart",
    "tokens": "placed",
    "transformer": "rowOf, unpacked",
}  # tested by themselves
NAMESPACE = "http://www.w3.org/2000/svg"  # the name of a language, which nobody fetches
MOST = 64 * 1024  # bytes; a page is sent a module once for each widget, and it is not saved


@pytest.fixture(scope="session")
def node() -> str:
    """Node with jsdom beside the tests; without it they skip, or fail where JUPYTER_COMPLETE_REQUIRE_BROWSER is set."""
    path = shutil.which("node")
    if path is None or not (SCRIPTS / "node_modules" / "jsdom").is_dir():
        if os.environ.get("JUPYTER_COMPLETE_REQUIRE_BROWSER"):
            pytest.fail(HINT)
        pytest.skip(HINT)
    return path


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules as a page gets them, but that their inner parts are named too; and what the kernel knows."""
    folder = tmp_path_factory.mktemp("modules")
    for view, parts in VIEWS.items():
        source = f"{module(*parts)}\nexport {{ {INSIDE.get(view, '')} }};\n"
        (folder / f"{view}.mjs").write_text(source, encoding="utf-8")
    whole = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    signs = [(code, visible(chr(code))) for code in whole if visible(chr(code)) != chr(code)]
    config = Complete()
    facts = {
        "hostile": TEXTS,
        "unseen": [code for code, _ in signs],
        "signs": signs,
        "controls": CONTROLS,
        "copies": [[text, dict(head(text))] for text in ("", *TEXTS.values()) if text == sendable(text)],
        "knobs": [one for one in CONTROLS if one["name"] in KNOBS],
        "values": of_panel(config, {"stop": ["\n", "a|b"], "seed": 7}),
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.test.mjs")))
def test_the_module_does_what_is_asked_of_it(node: str, modules: Path, script: str) -> None:
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", script],
        cwd=SCRIPTS,
        env={**os.environ, "JUPYTER_COMPLETE_MODULES": str(modules)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("view", VIEWS)
def test_a_module_is_small(view: str) -> None:
    assert len(module(*VIEWS[view]).encode()) < MOST


@pytest.mark.parametrize("view", VIEWS)
def test_a_module_needs_nothing_from_elsewhere(view: str) -> None:
    made = module(*VIEWS[view]).replace(NAMESPACE, "")
    assert not [word for word in ("import ", "import(", "require(", "http:", "https:", "eval(") if word in made]


@pytest.mark.parametrize("view", VIEWS)
def test_a_module_makes_no_markup_of_text(view: str) -> None:
    made = module(*VIEWS[view])
    assert not [word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write") if word in made]


def test_no_token_is_struck_through() -> None:
    assert "line-through" not in styles("common", "tokens", "panel", "inside")
