"""JupyterLab with over 300 hostile texts in its outputs, its panel and its export: nothing acts, no request is sent."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from hostile_texts import HOST, SHORT
from lab import LOAD, Lab, Page, cells, ended, opened, output_of, run, wait_for
from nbconvert import HTMLExporter
from panel_page import FIELD, button, standing

from jupyter_complete.protocol.prompt_parts import Turn
from jupyter_complete.render import completion, conversation, tables

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(400)]

ACTIVE = "script, img, iframe, a[href], form, math, object, embed, video, audio, link, mjx-container"
TALK = {"fetch", "xhr", "websocket", "ping"}  # of a page with its server
SHOW = """import json
from IPython.display import display
for bundle in json.load(open({name!r})):
    display(bundle, raw=True)
print("shown")"""
PANEL = f"""{LOAD}
import json, jupyter_complete as jc
jc.panel(prompt=json.load(open("texts.json")))"""


def bundles(texts: list[str]) -> list[dict[str, str]]:
    """Each text in all forms, in one conversation, and as names."""
    forms = ("text", "code", "markdown")
    found = [dict(completion.bundle(completion.CompletionView(texts, texts[0], form=form))) for form in forms]
    found.append(dict(conversation.bundle("one", [Turn("user", text) for text in texts])))
    found.append(dict(tables.bundle([(("name",), [(text,) for text in texts])], texts[0])))
    return found


def found(place: Any, selector: str) -> list[str]:
    """The parts of a page that a selector finds there."""
    return [str(one)[:300] for one in place.locator(selector).evaluate_all("all => all.map(one => one.outerHTML)")]


def kinds(asked: list[Any]) -> set[str]:
    """What kinds of things were asked for, but for the icon of the page, which says that the kernel is busy."""
    return {str(one.resource_type) for one in asked if "/favicons/" not in one.url}


def export(shown: list[dict[str, str]]) -> str:
    cell = nbformat.v4.new_code_cell("c", outputs=[nbformat.v4.new_output("display_data", one) for one in shown])
    return str(HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))[0])


def test_hostile_texts_are_inert_in_a_browser_and_no_request_leaves_the_page(lab: Lab, window: Page) -> None:
    texts = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in SHORT.values()]
    for name, one in (("harmless.json", ["x"]), ("hostile.json", texts)):
        (lab.root / name).write_text(json.dumps(bundles(one)), encoding="utf-8")
    (lab.root / "texts.json").write_text(json.dumps("\n".join(texts)), encoding="utf-8")
    address = lab.notebook(
        "hostile-texts.ipynb", *(SHOW.format(name=f"{one}.json") for one in ("harmless", "hostile")), PANEL
    )
    page = opened(window, address)
    run(page, 0)
    ended(page, 0)
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request))
    run(page, 1)
    ended(page, 1, 120)
    outputs = cells(page).nth(1).locator(".jp-OutputArea-output")
    assert outputs.count() == 6  # and what was printed
    assert found(outputs, f"{ACTIVE}, svg, button, input, textarea, select, [onclick]") == []
    page.wait_for_load_state("networkidle")
    assert kinds(asked) <= TALK
    run(page, 2)
    ended(page, 2)
    page.locator(FIELD).wait_for()
    assert standing(page).count(HOST) == "\n".join(texts).count(HOST)
    button(page, "Complete").click()  # which is refused in a sentence, for an expression that cannot be
    wait_for(lambda: "{{" in output_of(page, 2).inner_text(), 60, "what is said of it")
    assert found(output_of(page, 2), ACTIVE) == []
    page.wait_for_load_state("networkidle")
    assert window.hosts <= {"127.0.0.1", ""}
    assert kinds(asked) <= {*TALK, "script"}  # the widget's own module
    assert not window.dialogs

    hosts = [_hosts_of_export(window, lab, name, one) for name, one in (("harmless", ["x"]), ("hostile", texts))]
    assert hosts[1] <= hosts[0], "an export asks its template's hosts for scripts, and nobody else"
    assert not window.dialogs


def _hosts_of_export(window: Page, lab: Lab, name: str, texts: list[str]) -> set[str]:
    """Which hosts an exported notebook asks for something, when it is opened from the disk."""
    path = lab.root / f"{name}.html"
    path.write_text(export(bundles(texts)), encoding="utf-8")
    shown = window.page.context.new_page()
    hosts: set[str] = set()
    shown.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    shown.on("dialog", lambda dialog: (window.dialogs.append(dialog.message), dialog.dismiss()))
    shown.route("http*://**", lambda route: route.abort())
    shown.goto(path.as_uri(), wait_until="load")
    shown.close()
    return hosts
