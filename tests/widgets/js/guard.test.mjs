// Which keys of a view a notebook may take for its commands.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, panel, press, snapshot } from "./page.mjs";

const kept = (page) => page.el.hasAttribute("data-lm-suppress-shortcuts");

for (const [name, key, held, ours] of [
  ["a letter is the view's", "b", {}, true],
  ["Ctrl+S is the notebook's", "s", { ctrlKey: true }, false],
  ["Cmd+S is the notebook's", "s", { metaKey: true }, false],
  ["Ctrl+Z is the view's", "z", { ctrlKey: true }, true],
  ["Ctrl+Shift+Z is the view's", "Z", { ctrlKey: true, shiftKey: true }, true],
]) {
  test(name, () => {
    const page = new Shown(panel, snapshot());
    press(page.find(".jcp-control input"), key, held);
    assert.equal(kept(page), ours);
  });
}

test("a closed view no longer listens", () => {
  const page = new Shown(panel, snapshot()), other = page.open();
  other.close();
  press(other.el.querySelector("button"), "b");
  assert.equal(other.el.hasAttribute("data-lm-suppress-shortcuts"), false);
});
