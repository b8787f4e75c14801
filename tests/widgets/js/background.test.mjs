// A text that is written in the background, under its own cell.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, background } from "./page.mjs";

const open = (changed = {}) => new Shown(background, { done: false, before: "", texts: [""], footer: "", ...changed });
const text = (page) => page.find(".jcb-text").textContent;

test("what comes is put behind what there is", () => {
  const page = open();
  page.tell("text", { texts: ["The mean"], before: [] });
  page.tell("more", { texts: [" is"] });
  assert.equal(text(page), "The mean is");
});

test("it can be stopped", () => {
  const page = open();
  page.button("Stop").click();
  assert.deepEqual(page.wishes, ["stop"]);
});

test("several texts are numbered", () => {
  assert.equal(text(open({ texts: ["a", "b"] })), "(1) a\n\n(2) b");
});

test("a page that finds it done shows the text and what came of it, and nothing to stop", () => {
  const page = open({ done: true, texts: ["The mean is"], footer: "length · 3 tokens" });
  assert.equal(text(page), "The mean is");
  assert.equal(page.find(".jcb-status").textContent, "length · 3 tokens");
  assert.equal(page.button("Stop").hidden, true);
});
