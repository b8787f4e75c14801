// A text while it is written: what comes, what is missed, and what the buttons are meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, panel, press, snapshot } from "./page.mjs";

const writing = () => {
  const page = new Shown(panel, snapshot());
  page.tell("begun");
  page.tell("text", { texts: [" is low"], before: [["you", "The mean"]] });
  return page;
};
const tinted = (page) => page.all(".jcp-by-model").map((one) => one.textContent);

test("the snapshot draws text, footer, buttons and code", () => {
  const page = new Shown(panel, snapshot());
  assert.equal(page.field.value, "The mean is low");
  assert.deepEqual(tinted(page), [" is low"]);
  assert.equal(page.find(".jcp-status").textContent, "2 tokens");
  assert.equal(page.find(".jcp-code").textContent, "%%complete\nThe mean");
  assert.deepEqual([page.button("Undo").disabled, page.button("Redo").disabled], [false, true]);
});

test("what comes is put behind what there is", () => {
  const page = writing();
  page.tell("more", { texts: [" and"] });
  page.tell("more", { texts: [" high"] });
  assert.equal(page.field.value, "The mean is low and high");
  assert.deepEqual(tinted(page), [" is low and high"]);
  assert.deepEqual(page.sent, []);
});

test("while a text is written it can be stopped, and nothing else begun", () => {
  const page = writing();
  assert.equal(page.button("Stop").disabled, false);
  for (const name of ["Continue", "Regenerate", "Undo", "Redo"]) assert.ok(page.button(name)?.disabled ?? true, name);
  page.button("Stop").click();
  assert.deepEqual(page.wishes, ["stop"]);
});

test("what is waited for is told", () => {
  const page = new Shown(panel, snapshot());
  page.tell("begun");
  page.tell("waiting", { text: "loading tiny …" });
  assert.equal(page.find(".jcp-status").textContent, "loading tiny …");
});

test("the snapshot at the end stands for all that came", () => {
  const page = writing();
  page.show(snapshot({ pieces: [["you", "The mean"], ["model", " is what it is"]], footer: "done" }));
  assert.equal(page.field.value, "The mean is what it is");
  assert.equal(page.find(".jcp-status").textContent, "done");
  assert.equal(page.button("Stop").disabled, true);
});

test("after a gap the snapshot is asked for, once", () => {
  const page = writing();
  page.miss();
  page.tell("more", { texts: [" x"] });
  page.tell("more", { texts: [" y"] });
  assert.deepEqual(page.wishes, ["again"]);
});

test("a message that a snapshot stands for already is not heard", () => {
  const page = writing();
  const old = page.number;
  page.show(snapshot());
  page.model.tell({ kind: "more", number: old, texts: [" old"] });
  assert.equal(page.field.value, "The mean is low");
});

test("after a snapshot in mid-stream the whole text is told, and grows on", () => {
  const page = writing();
  page.show(snapshot({ busy: true, pieces: [["you", "The mean"]] }));
  page.tell("text", { texts: [" is low and"], before: [["you", "The mean"]] });
  page.tell("more", { texts: [" high"] });
  assert.equal(page.field.value, "The mean is low and high");
  assert.deepEqual(page.sent, []);
});

test("a page that is loaded in mid-stream shows the text as soon as it is told", () => {
  const page = new Shown(panel, snapshot({ busy: true, pieces: [["you", "The mean"]] }));
  assert.equal(page.button("Stop").disabled, false);
  page.tell("text", { texts: [" is"], before: [["you", "The mean"]] });
  assert.equal(page.field.value, "The mean is");
});

test("several texts are written into cards", () => {
  const page = new Shown(panel, snapshot());
  page.tell("begun");
  page.tell("text", { texts: ["a", "b"], before: [] });
  page.tell("more", { texts: ["1", "2"] });
  assert.deepEqual(page.all(".jcp-card-text").map((one) => one.textContent), ["a1", "b2"]);
});

test("one of several is taken by its number", () => {
  const page = new Shown(panel, snapshot({ cards: [{ text: "a", mean: -1 }, { text: "b", mean: null }] }));
  page.all(".jcp-card button")[1].click();
  assert.deepEqual(page.sent, [{ do: "take", number: 1, pieces: [["you", "The mean"], ["model", " is low"]] }]);
});

test("a refusal is told as one", () => {
  const page = new Shown(panel, snapshot());
  page.tell("refused", { text: "It cannot be. Do this." });
  assert.equal(page.find(".jcp-status").textContent, "It cannot be. Do this.");
  assert.ok(page.find(".jcp-status").classList.contains("jcp-wrong"));
});

test("a refusal while a text is written leaves Stop in reach", () => {
  const page = writing();
  page.tell("refused", { text: "A completion is being written. Stop it first." });
  assert.equal(page.button("Stop").disabled, false);
  press(page.field, "Escape");
  assert.deepEqual(page.wishes, ["stop"]);
});

test("what is written is read out by sentences, without what stood there before", () => {
  const page = writing();
  page.tell("more", { texts: [". And th"] });
  page.tell("more", { texts: ["is too"] });
  assert.deepEqual(page.all("[role=log] p").map((one) => one.textContent), ["."]);
  page.show(snapshot({ pieces: [["you", "The mean"], ["model", " is low. And this too"]] }));
  assert.deepEqual(page.all("[role=log] p").map((one) => one.textContent), [".", " And this too"]);
});

test("the history is listed, and recalled by its number", () => {
  const recent = [{ number: 12345678901, prompt: "The", text: " mean", how: "t 0.7", depth: 1 }];
  const page = new Shown(panel, snapshot({ recent }));
  page.find(".jcp-old").click();
  assert.deepEqual(page.sent, [{ do: "recall", number: 12345678901, pieces: [["you", "The mean"], ["model", " is low"]] }]);
});
