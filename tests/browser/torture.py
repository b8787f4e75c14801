"""Acts at random on a panel, by seed: what was typed and written is there after each. make torture runs it long."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromium
from lab import Lab, Page, cells, press, prompt_of, run, running, text_of, wait_for
from panel_page import FIELD, STATUS, button, standing

SETUP = """%load_ext jupyter_complete
import jupyter_complete as jc
from jupyter_complete.engine.echo import EchoModel, EchoTokenizer
jc.register("echo", EchoModel(window=None, delay=0.01), EchoTokenizer())
config = jc.current().config
config.model, config.temperature, config.max_new_tokens = "echo", 0.0, 12
"""
PROMPT = "The mean of the sample"
OPEN = f"%complete_panel {PROMPT}"
NOTICE = ".jc-alive:not([hidden])"
DIALOG = ".jp-Dialog .jp-mod-accept"
WORDS = ["apple", "boxplot", "café", "dd", "xerox", "0", "01", "$x$", "«quoted»", "漢字", "👍", "<b>", "zz", "\n"]
# jupyter_server 2.21 reads what a page says on a connection that was just replaced, as one is once its kernel has died,
# by the older of its two protocols: for the newer one it stops for half a minute. So it is told to use the older one.
OLDER = "--ZMQChannelsWebsocketConnection.kernel_ws_protocol="
MARKS = r"""() => {
    const field = document.querySelector(".jcp-field"), lines = [...document.querySelectorAll(".jcp-line")];
    const copy = document.querySelector(".jcp-copy"), clone = field.cloneNode();
    clone.value = field.value;
    clone.style.cssText = "align-self: start; height: 0";
    field.parentElement.append(clone);
    const place = (node) => node.getBoundingClientRect(), below = parseFloat(getComputedStyle(copy).paddingBottom);
    const heights = [place(copy.lastChild).bottom - place(copy).top, clone.scrollHeight];
    clone.remove();
    const text = lines.map((line) => line.textContent.replace(/\u200b$/, "")).join("\n");
    return [text, heights[0] + below, field.value, heights[1]];
}"""
TRIES = 3  # restarts of a kernel that does not answer
STORED = 1.1  # seconds after which what was typed must survive anything


class Torture:
    """One notebook, one page, and the text that must be there."""

    def __init__(self, lab: Lab, window: Page, seed: int, front: str = "lab") -> None:
        self.lab, self.window, self.page, self.front = lab, window, window.page, front
        self.random = random.Random(seed)
        self.name = f"torture-{seed}.ipynb"
        self.text = PROMPT
        self.done: list[str] = []
        self.goes(lambda: self.page.goto(lab.notebook(self.name, SETUP, OPEN, "'last'", front=front)))
        self.run_all()

    def acts(self) -> dict[str, int]:
        """What can be done, and how often."""
        return {
            "type": 8, "delete": 2, "click": 2, "complete": 4, "stop": 2, "undo_redo": 2, "undo": 1, "save": 2,
            "restart": 1, "restart_while_writing": 1, "kill": 1, "kill_while_writing": 1, "reload": 1,
            "next_day": 1, "run_all": 1, "run_cell": 1, "reopen": 2,
        }  # fmt: skip

    def step(self) -> None:
        """One act, and the text compared."""
        names = self.acts()
        (act,) = self.random.choices(list(names), list(names.values()))
        self.done.append(act)
        getattr(self, act)()
        self.check(act)

    def check(self, act: str) -> None:
        try:
            wait_for(lambda: self.stands() == self.text, 10, "the text")
        except AssertionError:
            raise AssertionError(
                f"after {', '.join(self.done[-6:])} stands {self.stands()!r} in place of {self.text!r}"
            ) from None
        self.check_marks(act)

    def check_marks(self, act: str) -> None:
        """The copy under the field, which carries the marks, has its text and is as high."""
        if self.page.locator(FIELD).count() != 1:
            return
        copy, height, text, shown = self.page.evaluate(MARKS)
        assert copy == text, f"after {act} the marks stand under {copy!r} in place of {text!r}"
        assert abs(height - shown) <= 1, f"after {act} {text!r} is {shown} pixels high, and its marks {height}"

    def stands(self) -> str | None:
        return standing(self.page) if self.page.locator(FIELD).count() == 1 else None

    # -- typing ----------------------------------------------------------------------------------------------------

    def type(self) -> None:
        words = " " + " ".join(self.random.choices(WORDS, k=self.random.randint(1, 4)))
        self.page.locator(FIELD).focus()
        if self.random.random() < 0.25:
            press(self.page, "Control+Home")
            self.text = words + self.text
        else:
            press(self.page, "Control+End")
            self.text += words
        self.page.keyboard.type(words)

    def delete(self) -> None:
        self.page.locator(FIELD).focus()
        press(self.page, "Control+End")
        while self.text[-1:].isascii() and self.text and self.random.random() < 0.7:
            press(self.page, "Backspace")
            self.text = self.text[:-1]

    def click(self) -> None:
        """Click somewhere in the panel, and press what commands of the notebook begin with."""
        where = self.random.choice(["Settings", "Save, copy, export", "padding"])
        if where == "padding":
            self.page.locator(".jcp").click(position={"x": 1, "y": 1})
        else:
            self.page.locator(".jcp summary", has_text=where).click()
        for key in "xdbm":
            press(self.page, key)
        assert cells(self.page).count() == 3, "a key in the panel reached the notebook"

    # -- the kernel's work -----------------------------------------------------------------------------------------

    def writes(self, tokens: int) -> bool:
        """Begin a completion, if the panel can; whether text has come."""
        self.closed_dialogs()
        if self.page.locator(NOTICE).count() or not self.text.strip():
            return False
        self.page.evaluate("document.querySelectorAll('.jcp-box').forEach((box) => (box.open = true))")
        self.page.locator("[id^=jcp-max_new_tokens-]").fill(str(tokens))
        self.page.locator(FIELD).focus()
        press(self.page, "Control+End")
        press(self.page, "Control+Enter")
        wait_for(lambda: len(self.stands() or "") > len(self.text) or self.idle(), 20, "text of the model")
        return True

    def idle(self) -> bool:
        """Whether nothing is asked or written; what is told of a completion that begins has words of its end in it."""
        return button(self.page, "Stop").is_disabled() and "asking" not in self.page.locator(STATUS).inner_text()

    def adopt(self) -> None:
        """Take what the model wrote behind the text."""
        now = self.stands() or ""
        begun = self.text.rstrip("\ufffd")  # a character that was cut off is whole once its text goes on
        assert now.startswith(begun), f"{now!r} does not go on from {self.text!r}"
        self.text = now

    def complete(self) -> None:
        if self.writes(12):
            wait_for(self.idle, 30, "the end of a completion")
            self.adopt()

    def stop(self) -> None:
        if self.writes(3000):
            time.sleep(self.random.random())
            press(self.page, "Escape")
            wait_for(lambda: "interrupted" in self.page.locator(STATUS).inner_text(), 20, "the end of a stopped one")
            self.adopt()

    def turn(self, name: str) -> bool:
        if not button(self.page, name).is_enabled():
            return False
        before = self.stands()
        button(self.page, name).click()
        self.page.wait_for_timeout(400)
        return self.stands() != before

    def undo_redo(self) -> None:
        if self.turn("Undo"):
            self.turn("Redo")

    def undo(self) -> None:
        if self.turn("Undo"):
            self.text = self.stands() or ""

    # -- what happens to kernel, page and machine ------------------------------------------------------------------

    def save(self) -> None:
        """Save; a front end drops what is asked while it still saves, so again if need be."""
        for _ in range(TRIES):
            press(self.page, "Control+s")
            with contextlib.suppress(AssertionError):
                wait_for(lambda: self.saved() in (self.text, None), 10, "the text in the file")
                return
        raise AssertionError(f"the text is not in the file: {self.saved()!r} in place of {self.text!r}")

    def saved(self) -> str | None:
        """The text in the file; None where nothing but the prompt is there, which is not stored."""
        held = self.lab.saved(self.name).cells[1].metadata.get("jupyter_complete", {}).get("documents", {}).get("")
        return "".join(text for _, text in held["pieces"]) if held else None if self.text == PROMPT else ""

    def restart(self) -> None:
        cells(self.page).nth(0).locator(".jp-InputPrompt").click()
        press(self.page, "0", "0")
        self.page.locator(DIALOG).first.click()
        self.gone()

    def restart_while_writing(self) -> None:
        if self.writes(3000):
            self.restart()
            self.adopt()

    def kill(self) -> None:
        (session,) = [one for one in self.lab.ask("api/sessions") if one["path"] == self.name]
        found = subprocess.run(["pgrep", "-f", session["kernel"]["id"]], capture_output=True, text=True, check=False)
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(AssertionError):  # a kernel that was just being started dies without one
            # it takes the focus, and a space typed then presses its button
            wait_for(lambda: self.page.locator(DIALOG).count(), 6, "the dialog of a kernel that died")
        self.gone()

    def kill_while_writing(self) -> None:
        if self.writes(3000):
            self.kill()
            self.adopt()

    def gone(self) -> None:
        """Wait until the panel says that its kernel is gone."""
        self.page.locator(NOTICE).first.wait_for(timeout=30_000)
        self.closed_dialogs()

    def closed_dialogs(self) -> None:
        for _ in range(3):
            if self.page.locator(DIALOG).count():
                self.page.locator(DIALOG).first.click()
                self.page.wait_for_timeout(200)

    def reopen(self) -> None:
        """Press the panel's button; where the panel says that only a restart helps, restart and press it again."""
        self.closed_dialogs()
        if not self.page.locator(NOTICE).count():
            return
        for _ in range(TRIES):
            self.page.locator(NOTICE).locator("button").click()
            wait_for(lambda: self.live() or self.needs_restart(), 90, "a live panel, or what to do")
            if not self.needs_restart():
                self.run_all()  # for its model
                return
            self.restart()
        raise AssertionError(f"the panel is not live after {TRIES} restarts")

    def needs_restart(self) -> bool:
        said = self.page.evaluate(f"document.querySelector({NOTICE!r})?.textContent ?? ''")
        return "Restart it" in said

    def live(self) -> bool:
        return self.page.locator(FIELD).count() == 1 and self.page.locator(NOTICE).count() == 0

    def reload(self) -> None:
        """Without saving; what was typed a second ago is kept."""
        time.sleep(STORED)
        self.goes(self.page.reload)
        self.settled()

    def next_day(self) -> None:
        """Save, shut the kernel down, open again: the text is in the output; then run."""
        for _ in range(TRIES):
            self.save()
            with contextlib.suppress(AssertionError):  # the panel may have stored more meanwhile
                wait_for(lambda: self.page.locator(".jp-mod-dirty").count() == 0, 10, "the end of saving")
                break
        else:
            raise AssertionError(f"the notebook is changed again after each of {TRIES} savings")
        stop_kernels(self.lab)
        self.page.goto("about:blank")
        self.goes(lambda: self.page.goto(self.lab.address(self.name, self.front)))
        self.settled()

    def goes(self, go: Callable[[], object]) -> None:
        """Load the page, until its kernel has answered."""
        before = len(self.window.frames)
        go()
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        wait_for(lambda: self.heard(before), 90, "the kernel's first answer")

    def heard(self, before: int) -> bool:
        self.page.wait_for_timeout(50)
        return bool(self.window.frames.since(before).of("kernel_info_reply"))

    def settled(self) -> None:
        self.page.wait_for_timeout(2000)
        self.closed_dialogs()
        assert "Error displaying" not in text_of(self.page, 1)
        if not self.live():
            self.run_all()

    def run_all(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.closed_dialogs()
        for cell in (0, 1):
            self.run_one(cell)
        wait_for(self.live, 60, "a live panel")

    def run_cell(self) -> None:
        """The panel's cell alone, whether or not its extension is loaded."""
        if not self.page.locator(NOTICE).count():
            self.run_one(1)
            wait_for(self.live, 60, "a live panel")
            return
        self.run_one(1)
        self.run_all()

    def run_one(self, cell: int) -> None:
        """Run a cell; a kernel that is just being replaced drops it, so again if need be."""
        for _ in range(5):
            self.closed_dialogs()
            run(self.page, cell)
            start = time.monotonic()
            while time.monotonic() - start < 20:
                self.page.wait_for_timeout(200)
                if re.search(r"\[\d+\]", prompt_of(self.page, cell)):
                    return
                if self.page.locator(DIALOG).count():
                    break
            else:
                self.restart()  # a connection that is left at "starting" by a kill and a restart in a row
        raise AssertionError(f"cell {cell} does not run")


def rounds(seeds: list[int], acts: int, front: str, shots: Path | None) -> int:
    """Run every seed; how many failed. A picture of each failure goes into `shots`."""
    from playwright.sync_api import sync_playwright

    failed = 0
    with tempfile.TemporaryDirectory() as base, running(Path(base), OLDER) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.FLAGS))
        for seed in seeds:
            context = browser.new_context(viewport={"width": 1200, "height": 900})
            start, torture = time.monotonic(), None
            try:
                torture = Torture(lab, window_of(context), seed, front)
                for _ in range(acts):
                    torture.step()
                print(f"seed {seed}: {acts} acts, nothing lost, {time.monotonic() - start:.0f} s", flush=True)
            except Exception as error:
                failed += 1
                last = torture.done if torture else []
                if torture and shots:
                    torture.page.screenshot(path=shots / f"torture-{seed}.png")
                print(f"seed {seed}: failed at act {len(last)} ({last[-8:]}): {error}", flush=True)
            context.close()
            stop_kernels(lab)
        browser.close()
    return failed


def stop_kernels(lab: Lab) -> None:
    """Shut the kernels down; one that is just being restarted is asked again."""
    for _ in range(5):
        try:
            lab.stop_kernels()
            return
        except OSError:
            time.sleep(2)


def window_of(context: Any) -> Page:
    """A page that leaves when it is asked whether to."""
    window = Page(context.new_page())
    window.page.set_default_timeout(60_000)
    window.page.on("dialog", lambda dialog: dialog.accept())
    return window


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--acts", type=int, default=200)
    parser.add_argument("--front", default="lab")
    parser.add_argument("--shots", type=Path)
    given = parser.parse_args()
    raise SystemExit(rounds(given.seeds, given.acts, given.front, given.shots))
