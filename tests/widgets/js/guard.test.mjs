// Which keys of a view a notebook may take for its commands.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, panel, press, snapshot } from "./page.mjs";

const kept = (node) => node.hasAttribute("data-lm-suppress-shortcuts");

for (const [name, key, held, ours] of [
  ["a letter is the view's", "b", {}, true],
  ["Ctrl+S is the notebook's", "s", { ctrlKey: true }, false],
  ["Cmd+S is the notebook's", "s", { metaKey: true }, false],
  ["Ctrl+Z is the view's", "z", { ctrlKey: true }, true],
  ["Ctrl+Shift+Z is the view's", "Z", { ctrlKey: true, shiftKey: true }, true],
]) {
  test(name, () => {
    const page = new Shown(panel, snapshot());
    for (const place of [".jcp-control input", ".jcp-bar button"]) {
      press(page.find(place), key, held);
      assert.equal(kept(page.find(place)), ours);
    }
  });
}

for (const selector of [".jcp-bar button", "summary", ".jcp-field", ".jcp"]) {
  test(`a letter at ${selector} is the view's: a command may name just the node that has the focus`, () => {
    const page = new Shown(panel, snapshot());
    press(page.find(selector), "x");
    assert.equal(kept(page.find(selector)), true);
  });
}

test("Ctrl+S is the notebook's after a letter was the view's, wherever the focus was then", () => {
  const page = new Shown(panel, snapshot());
  for (const around of [page.el, page.find(".jcp"), page.find(".jcp-bar")]) {
    press(around, "x");
    press(page.find(".jcp-field"), "s", { ctrlKey: true });
    for (let node = page.find(".jcp-field"); node; node = node.parentElement) assert.equal(kept(node), false);
  }
});

test("a click between the parts of a view leaves the focus in it", () => {
  assert.equal(new Shown(panel, snapshot()).el.tabIndex, -1);
});

test("a closed view no longer listens", () => {
  const page = new Shown(panel, snapshot()), other = page.open();
  other.close();
  press(other.el.querySelector("button"), "b");
  assert.equal(kept(other.el.querySelector("button")), false);
});
