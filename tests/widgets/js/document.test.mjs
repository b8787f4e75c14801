// The text of a panel in the notebook that shows it: stored, taken up, copied beside the panel, and left out as a widget.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, facts, panel, press, snapshot } from "./page.mjs";

const WIDGET = "application/vnd.jupyter.widget-view+json";
const PAUSE = 350; // milliseconds after the last key, when it is stored

// A notebook as JupyterLab lends it: one cell that shows the widget "own" and the text beside it.
function notebook(documents, { saved = false } = {}) {
  const metadata = documents ? { jupyter_complete: { documents } } : {};
  const view = { data: { [WIDGET]: { model_id: "own" }, "text/plain": "said" }, metadata: {} };
  const about = { document: "", lengths: { "text/html": 3, "text/markdown": 3, "text/plain": 3 } };
  const copy = { data: { "text/html": "oldHTML", "text/markdown": "oldMD", "text/plain": "oldPLAIN" }, metadata: { jupyter_complete: about } };
  const outputs = [saved ? { data: { "text/plain": "said" }, metadata: { jupyter_complete: { view: "own" } } } : view, copy];
  const drawn = [...outputs], model = { dirty: false };
  const shared = {
    get outputs() { return structuredClone(outputs); },
    updateOutputs(from, to, changed, origin) {
      assert.equal(origin, "silent-change");
      outputs.splice(from, to - from, ...changed);
      model.dirty = true;
    },
  };
  const cell = {
    id: "cell", sharedModel: shared,
    outputs: { get length() { return drawn.length; }, get: (at) => drawn[at], set: (at, output) => ((drawn[at] = output), (model.dirty = true)) },
    getMetadata: (key) => metadata[key],
    setMetadata(key, value) {
      metadata[key] = structuredClone(value);
      model.dirty = true;
    },
  };
  Object.assign(model, { cells: { length: 1, get: () => cell }, sharedModel: { cells: [shared] } });
  const slots = [];
  const context = {
    path: "a.ipynb",
    model,
    saveState: { connect: (slot) => slots.push(slot) },
  };
  return { manager: { context }, metadata, outputs, drawn, model, save: (state) => slots.forEach((slot) => slot(null, state)) };
}

function open(book, changed = {}, about = {}) {
  const document = { name: "", cell: "cell", prompt: "The mean", ...about };
  const page = new Shown(panel, snapshot({ revision: 4, ...changed }), { document, _urgent: "own", draft: {} }, book.manager);
  return page;
}

const stored = (book, name = "") => book.metadata.jupyter_complete?.documents?.[name];
const joinedOf = ({ pieces }) => pieces.map(([, text]) => text).join("");
const wait = (time) => new Promise((done) => setTimeout(done, time));
const kept = (page) => page.model.sent.filter((one) => one.do === "keep");

test("what is typed is in the notebook within a second, and the kernel gets what changed", async () => {
  const book = notebook(), page = open(book);
  page.field.setSelectionRange(15, 15);
  page.keys("er");
  await wait(PAUSE);
  assert.deepEqual(stored(book), { pieces: [["you", "The mean"], ["model", " is low"], ["you", "er"]], revision: 6 });
  assert.deepEqual(kept(page), [{ do: "keep", revision: 6, at: 15, gone: 0, put: [["you", "er"]], size: 17 }]);
});

test("a splice costs the same however long the text is", async () => {
  const book = notebook(), page = open(book, { pieces: [["you", "word ".repeat(4000)]] });
  page.field.setSelectionRange(9000, 9000);
  page.keys("x");
  await wait(PAUSE);
  const [sent] = kept(page);
  assert.deepEqual([sent.at, sent.gone, sent.put], [9000, 0, [["you", "x"]]]);
  assert.ok(JSON.stringify(sent).length < 120);
});

test("the output beside the panel has the text, and keeps what follows it", async () => {
  const book = notebook(), page = open(book);
  page.type("Is 3 < 4?");
  await wait(PAUSE);
  const { data, metadata } = book.outputs[1];
  assert.match(data["text/html"], /^<div style="--jc-text:1;[^"]*">Is 3 &lt; 4\?<\/div>HTML$/);
  assert.equal(data["text/plain"], "Is 3 < 4?PLAIN");
  assert.equal(data["text/markdown"], "```text\nIs 3 < 4?\n```MD");
  assert.equal(metadata.jupyter_complete.lengths["text/plain"], 9);
  page.type("Yes");
  await wait(PAUSE);
  assert.equal(book.outputs[1].data["text/plain"], "YesPLAIN");
});

test("before the notebook is saved what was typed is in it", () => {
  const book = notebook(), page = open(book);
  page.type("Typed a moment ago");
  book.save("started");
  assert.equal(stored(book).pieces.at(-1)[1], "Typed a moment ago");
});

test("what is typed where it is seen is the newest, whatever another page has stored", async () => {
  const book = notebook(), page = open(book);
  book.metadata.jupyter_complete = { documents: { "": { pieces: [["you", "Other"]], revision: 40 } } };
  page.type("Mine");
  await wait(PAUSE);
  assert.deepEqual(stored(book), { pieces: [["you", "Mine"]], revision: 41 });
});

test("a widget that is no longer shown does not replace what another widget stored", async () => {
  const book = notebook(), page = open(book);
  await wait(PAUSE);
  page.type("Mine");
  book.drawn[0] = { data: {} };
  book.metadata.jupyter_complete = { documents: { "": { pieces: [["you", "Newer"]], revision: 40 } } };
  await wait(PAUSE);
  assert.equal(stored(book).pieces[0][1], "Newer");
});

test("a prompt that nobody touched is not stored", async () => {
  const book = notebook();
  open(book, { revision: 0, pieces: [["you", "The mean"]] });
  await wait(PAUSE);
  assert.equal(stored(book), undefined);
});

test("a page that is made before the kernel's first snapshot shows the prompt with it", () => {
  const book = notebook(), document = { name: "", cell: "cell", prompt: "The mean" };
  const page = new Shown(panel, {}, { shown: {}, document, _urgent: "own", draft: {} }, book.manager);
  page.show(snapshot({ revision: 0, pieces: [["you", "The mean"]] }));
  assert.equal(page.field.value, "The mean");
});

test("a new kernel is given what the notebook stores", () => {
  const pieces = [["you", "The mean is what I wrote"]], book = notebook({ "": { pieces, revision: 9 } });
  const page = open(book, { revision: 0, pieces: [["you", "The mean"]], code: "" });
  assert.equal(page.field.value, "The mean is what I wrote");
  assert.deepEqual(page.model.sent[0], { do: "take_up", pieces, revision: 9 });
});

const versions = [{ time: 1, at: 8, gone: 7, put: [] }, { time: 0, at: 0, gone: 8, put: [["you", "Once"]] }];

test("earlier versions are stored beside the text, and follow what is typed", async () => {
  const book = notebook(), page = open(book, { kept: versions });
  page.field.setSelectionRange(15, 15);
  page.keys("er");
  await wait(PAUSE);
  assert.deepEqual(stored(book).versions, [{ time: 1, at: 8, gone: 9, put: [] }, versions[1]]);
});

test("a new kernel is given the earlier versions, and they stay stored until it answers", async () => {
  const pieces = [["you", "The mean"], ["model", " is low"]], book = notebook({ "": { pieces, revision: 9, versions } });
  const page = open(book, { revision: 0, pieces: [["you", "The mean"]], code: "", kept: null });
  assert.deepEqual(page.model.sent[0], { do: "take_up", pieces, revision: 9, versions });
  page.type("The mean is low!");
  await wait(PAUSE);
  assert.equal(stored(book).versions.length, 2);
});

test("what is stored in the place of versions and is none costs no text", async () => {
  const pieces = [["you", "Mine"]], book = notebook({ "": { pieces, revision: 9, versions: [{ at: 0, gone: 0, put: "x" }] } });
  const page = open(book, { revision: 0, pieces: [["you", "The mean"]], code: "" });
  page.type("Mine too");
  await wait(PAUSE);
  assert.deepEqual(stored(book), { pieces: [["you", "Mine too"]], revision: 10 });
});

test("a kernel that is further than the notebook keeps its text", () => {
  const book = notebook({ "": { pieces: [["you", "old"]], revision: 2 } });
  assert.equal(open(book).field.value, "The mean is low");
});

test("a named document is found in whatever cell holds it", () => {
  const book = notebook({ essay: { pieces: [["you", "An essay"]], revision: 9 } });
  assert.equal(open(book, {}, { name: "essay", cell: "" }).field.value, "An essay");
  assert.equal(open(notebook({ essay: { pieces: [["you", "An essay"]], revision: 9 } })).field.value, "The mean is low");
});

test("what was typed since the kernel's snapshot is not replaced by it", () => {
  const page = open(notebook());
  page.type("The mean is lower");
  page.show(snapshot({ revision: 4 }));
  assert.equal(page.field.value, "The mean is lower");
  page.show(snapshot({ revision: 7, pieces: [["you", "Newer"]] }));
  assert.equal(page.field.value, "Newer");
});

test("a page that is loaded later has what was typed in another one", () => {
  const page = open(notebook(), { draft: { pieces: [["you", "Typed before"]], revision: 6 } });
  assert.equal(page.field.value, "Typed before");
});

test("a text is stored while it is written, and stays when the kernel's own comes", async () => {
  const book = notebook(), page = open(book);
  page.tell("begun");
  page.tell("text", { texts: [" is"], before: [["you", "The mean"]] });
  await wait(PAUSE);
  assert.deepEqual(stored(book), { pieces: [["you", "The mean"], ["model", " is"]], revision: 5 });
  assert.deepEqual(kept(page), []);
  page.tell("more", { texts: [" lo"] });
  await wait(PAUSE);
  assert.equal(stored(book).pieces[1][1], " is lo");
  page.show(snapshot({ revision: 5, pieces: [["you", "The mean"], ["model", " is low"]] }));
  assert.equal(page.field.value, "The mean is low");
  await wait(PAUSE);
  assert.equal(stored(book).pieces[1][1], " is low");
});

test("the file holds no widget, and a page that finds the kernel alive shows it again", () => {
  const book = notebook();
  open(book);
  assert.deepEqual(book.outputs[0], { data: { "text/plain": "said" }, metadata: { jupyter_complete: { view: "own" } } });
  const again = notebook(null, { saved: true });
  open(again);
  assert.equal(again.drawn[0].data[WIDGET].model_id, "own");
});

test("where no notebook is lent the kernel alone gets what was typed", async () => {
  const page = new Shown(panel, snapshot({ revision: 4 }), { document: { name: "", cell: "" } });
  page.type("The mean is lower");
  await wait(PAUSE);
  assert.equal(kept(page).length, 1);
});

test("keys that come while the kernel is asked go in when it has answered", () => {
  const page = open(notebook());
  page.button("Undo").click();
  const typed = (key) => page.field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  for (const key of ["o", "n"]) assert.equal(typed(key), false);
  page.show(snapshot({ revision: 5, pieces: [["you", "The mean "]] }));
  assert.equal(page.field.value, "The mean on");
});

test("a key that comes while a text is written is answered with what to do", () => {
  const page = open(notebook());
  page.tell("begun");
  assert.equal(page.field.readOnly, true);
  page.field.dispatchEvent(new KeyboardEvent("keydown", { key: "o", bubbles: true, cancelable: true }));
  assert.match(page.find(".jcp-status").textContent, /Esc stops/);
});

test("a key that is as new as the kernel's answer stands, and the kernel gets it", async () => {
  const book = notebook(), page = open(book);
  page.type("The mean is lower");
  page.show(snapshot({ revision: 5, pieces: [["you", "The mean"]] }));
  assert.equal(page.field.value, "The mean is lower");
  await wait(PAUSE);
  assert.deepEqual([joinedOf(stored(book)), stored(book).revision], ["The mean is lower", 6]);
  assert.deepEqual(kept(page).at(-1), { do: "keep", revision: 6, at: 8, gone: 0, put: [["model", " is low"], ["you", "er"]], size: 17 });
});

test("a completion that begins after the text was typed on is stopped, and leaves the text alone", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const page = open(notebook());
  page.button("Continue").click();
  context.mock.timers.tick(5000);
  page.type("The mean is low and more");
  page.tell("begun");
  assert.equal(page.model.sent.at(-1).do, "stop");
  page.tell("text", { texts: [" late"], before: [["you", "The mean"], ["model", " is low"]] });
  page.tell("more", { texts: [" text"] });
  assert.equal(page.field.value, "The mean is low and more");
  page.show(snapshot({ revision: 5, pieces: [["you", "The mean"], ["model", " is low late"]] }));
  assert.equal(page.field.value, "The mean is low and more");
  assert.equal(page.field.readOnly, false);
});

test("keys that come before a completion begins go in behind it", () => {
  const page = open(notebook());
  page.button("Continue").click();
  for (const key of ["o", "n"]) press(page.field, key);
  page.tell("begun");
  page.tell("text", { texts: [" it"], before: [["you", "The mean"], ["model", " is low"]] });
  page.show(snapshot({ revision: 5, written: 3, caret: 3, pieces: [["you", "The mean"], ["model", " is low"], ["model", " it"]] }));
  assert.equal(page.field.value, "The mean is low iton");
});

test("what is put in without a key while the kernel is asked goes in too", () => {
  const page = open(notebook());
  page.button("Undo").click();
  const put = { inputType: "insertText", data: "漢", bubbles: true, cancelable: true };
  assert.equal(page.field.readOnly, false);
  assert.equal(page.field.dispatchEvent(new InputEvent("beforeinput", put)), false);
  page.show(snapshot({ revision: 5, pieces: [["you", "The mean "]] }));
  assert.equal(page.field.value, "The mean 漢");
});

test("what is typed into a page that was loaded while a text was written stands against that text", () => {
  const page = open(notebook());
  page.type("The mean is low and mine");
  page.miss();
  page.tell("more", { texts: [" late"] });
  page.show(snapshot({ busy: true, revision: 4 }));
  assert.equal(page.model.sent.at(-1).do, "stop");
  page.tell("text", { texts: [" late"], before: [["you", "The mean"]] });
  assert.equal(page.field.value, "The mean is low and mine");
  page.field.setSelectionRange(3, 3);
  page.show(snapshot({ revision: 9, written: 2, pieces: [["you", "The mean"], ["model", " late"]] }));
  assert.equal(page.field.value, "The mean is low and mine");
  assert.equal(page.field.selectionStart, 3);
});

test("what was undone can be had again after the kernel has told the same text", () => {
  const page = open(notebook());
  page.field.setSelectionRange(15, 15);
  page.keys(" xerox");
  page.button("Undo").click();
  assert.equal(page.field.value, "The mean is low");
  page.show(snapshot({ revision: 4, draft: { pieces: [["you", "The mean is low"]], revision: 11 } }));
  page.button("Redo").click();
  assert.equal(page.field.value, "The mean is low xerox");
});

test("a snapshot that is older than the last splice is no base for the next one", async () => {
  const page = open(notebook());
  page.field.setSelectionRange(15, 15);
  page.keys("er");
  await wait(PAUSE);
  page.show(snapshot({ revision: 4 }));
  page.keys("s");
  await wait(PAUSE);
  assert.deepEqual(kept(page).at(-1), { do: "keep", revision: 7, at: 17, gone: 0, put: [["you", "s"]], size: 18 });
});

test("a page that is loaded while a text is written has the whole of it in the end", async () => {
  const book = notebook({ "": { pieces: [["you", "The mean"], ["model", " is"]], revision: 5 } });
  const page = open(book, { busy: true, pieces: [["you", "The mean"]] });
  page.tell("text", { texts: [" is lo"], before: [["you", "The mean"]] });
  await wait(PAUSE);
  page.tell("more", { texts: ["w"] });
  await wait(PAUSE);
  page.show(snapshot({ revision: 5, pieces: [["you", "The mean"], ["model", " is low now"]] }));
  assert.equal(page.field.value, "The mean is low now");
  await wait(PAUSE);
  assert.equal(joinedOf(stored(book)), "The mean is low now");
});

test("what is typed while the notebook is saved is kept by the browser until it is saved too", async () => {
  const entries = new Map(), book = notebook();
  const store = { setItem: (key, text) => entries.set(key, text), getItem: (key) => entries.get(key) ?? null, removeItem: (key) => entries.delete(key) };
  Object.defineProperty(window, "localStorage", { configurable: true, value: store });
  const page = open(book);
  page.type("Before");
  book.save("started");
  page.type("Before and while");
  await wait(PAUSE);
  book.save("completed");
  assert.match([...entries.values()].join(), /Before and while/);
  book.save("started");
  book.save("completed");
  assert.equal(entries.size, 0);
  delete window.localStorage;
});

for (const [at, [text, made]] of facts.copies.entries()) {
  test(`the page draws the copy of a text as the kernel does: ${at}`, () => assert.deepEqual(panel.textCopy(text), made));
}

test("a saved notebook that is opened while its kernel lives has nothing to save", async () => {
  const book = notebook({ "": { pieces: [["you", "The mean"], ["model", " is low"]], revision: 4 } }, { saved: true });
  const page = open(book);
  await wait(PAUSE);
  assert.equal(book.drawn[0].data[WIDGET].model_id, "own");
  assert.equal(book.model.dirty, false);
  page.type("x");
  await wait(PAUSE);
  assert.equal(book.model.dirty, true);
});
