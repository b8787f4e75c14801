"""A notebook page with the panel open, and what a person does there."""

from __future__ import annotations

from typing import Any

import tiny
from lab import LOAD, Page, ended, opened, run, wait_for

SLOW = LOAD + "\n" + tiny.cell(0.03)


FIELD, STATUS = ".jcp-field", ".jcp-status"


def panel(window: Page, address: str) -> Any:
    """The page of a notebook whose first cell loads, and whose second one opens the panel, both run."""
    page = opened(window, address)
    run(page, 0)
    ended(page, 0, 90)
    run(page, 1)
    page.locator(FIELD).wait_for()
    return page


def field(page: Any) -> str:
    return str(page.locator(FIELD).input_value())


def standing(page: Any) -> str:
    """The text that stands in the panel; a field shows characters that are not seen as private ones."""
    return clear(field(page))


def clear(shown: str) -> str:
    codes = (ord(one) for one in shown)
    return "".join(
        chr(code - 0xF0000 if 0xF0000 <= code < 0x100000 else code - 0x20000 if 0x100000 <= code < 0x1001F0 else code)
        for code in codes
    )


def button(page: Any, name: str) -> Any:
    return page.locator(".jcp-bar button", has_text=name)


def complete(page: Any, settings: dict[str, Any]) -> None:
    """Set controls, complete, and wait for the end."""
    page.locator(".jcp summary", has_text="Settings").click()
    for name, value in settings.items():
        page.locator(f"[id^=jcp-{name}-]").fill(str(value))
    page.locator(".jcp summary", has_text="Settings").click()
    button(page, "Complete").click()
    done(page)


def done(page: Any) -> None:
    wait_for(lambda: "prompt token" in page.locator(STATUS).inner_text(), 60, "the panel's footer")


LARGE = """
from jupyter_complete.results.completion import Completion
from jupyter_complete.protocol.events import Candidate, Step, Timing, Usage
from jupyter_complete.protocol.sampling import Sampling
top = tuple(Candidate(n, f" word{n}", -1.0 - n, 0.1) for n in range(8))
steps = tuple(Step(n % 8, f" word{n % 8}", -1.0 - n % 8, 1 + n % 8, top) for n in range(2000))
text, sampling = "".join(s.text for s in steps), jc.current().config.to_sampling(jc.current().config.checked({}))
c = Completion("The mean", text, steps, "length", Usage(2, 0, 2000), Timing(1, 1, 1), None, sampling)
view = jc.tokens(c)
view
"""


DRAWN = """async ([source, shown]) => {
    const { default: view } = await import("data:text/javascript," + encodeURIComponent(source));
    const times = [];
    for (let round = 0; round < 5; round += 1) {
        const model = { get: (name) => (name === "shown" ? shown : ""), on() {}, send() {} };
        const el = document.createElement("div"), start = performance.now();
        document.body.append(el);
        view().render({ model, el });
        el.getBoundingClientRect();
        times.push(performance.now() - start);
        el.remove();
    }
    return times.sort((a, b) => a - b)[2];
}"""
