// The panel as an editor: what is asked at the caret, of a selection, of a paragraph, and what is seen of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, panel, press, snapshot } from "./page.mjs";

const TWO = "One of them.\n\nTwo of them.";

function open(text, from, to = from) {
  const page = new Shown(panel, snapshot({ pieces: [["you", text]], code: "", written: null, ended: false }));
  page.field.setSelectionRange(from, to);
  page.field.dispatchEvent(new Event("keyup"));
  return page;
}

const lines = (page) => page.all(".jcp-line");
const bar = (page) => page.find(".jcp-suggestion");

test("in the middle of a text it is completed at the caret", () => {
  const page = open("The mean of it", 8);
  press(page.field, "Enter", { ctrlKey: true });
  const [wish] = page.sent;
  assert.deepEqual([wish.do, wish.pieces, wish.after], ["complete", [["you", "The mean"]], [["you", " of it"]]]);
});

test("at its end nothing follows", () => {
  const page = open("The mean", 8);
  press(page.field, "Enter", { ctrlKey: true });
  assert.deepEqual([page.sent[0].pieces, page.sent[0].after], [[["you", "The mean"]], undefined]);
});

test("the button says where it will write", () => {
  const page = open("The mean of it", 8);
  assert.ok(page.button("Complete here"));
  page.field.setSelectionRange(14, 14);
  page.field.dispatchEvent(new Event("selectionchange"));
  assert.ok(page.button("Complete"));
});

test("a completion in the middle is continued where it ends, and nowhere else", () => {
  const page = new Shown(panel, snapshot({ pieces: [["you", "The mean"], ["model", " is low"], ["you", " indeed"]], written: 2 }));
  page.field.setSelectionRange(15, 15);
  page.field.dispatchEvent(new Event("keyup"));
  assert.ok(page.button("Continue"));
  page.field.setSelectionRange(22, 22);
  page.field.dispatchEvent(new Event("keyup"));
  assert.ok(page.button("Complete"));
});

test("a selection is completed from its end, and named", () => {
  const page = open(TWO, 0, 12);
  press(page.field, "Enter", { ctrlKey: true });
  const { pieces, chosen, after } = page.sent[0];
  assert.deepEqual([pieces, chosen, after], [[["you", "One of them."]], [["you", "One of them."]], [["you", "\n\nTwo of them."]]]);
});

test("what is written in the middle stands between what is before and after it, with the caret behind it", () => {
  const page = open("The mean of it", 8);
  page.tell("begun");
  page.tell("text", { texts: [" is"], before: [["you", "The mean"]], after: [["you", " of it"]] });
  page.tell("more", { texts: [" high"] });
  assert.equal(page.field.value, "The mean is high of it");
  page.show(snapshot({ pieces: [["you", "The mean"], ["model", " is high"], ["you", " of it"]], written: 2 }));
  assert.equal(page.field.selectionStart, "The mean is high".length);
});

test("a key while the model writes has an answer", () => {
  const page = open("The mean", 8);
  page.tell("begun");
  press(page.field, "a");
  assert.match(page.find(".jcp-status").textContent, /Esc stops it/);
});

for (const [what, from, to, before, chosen] of [
  ["paragraph at the caret", 17, 17, "One of them.", "Two of them."],
  ["selection", 0, 3, "", "One"],
]) {
  test(`the ${what} is rewritten`, () => {
    const page = open(TWO, from, to), text = (pieces) => pieces.map(([, one]) => one).join("").trim();
    page.button("Rewrite").click();
    const [wish] = page.sent;
    assert.deepEqual([wish.do, text(wish.pieces), text(wish.chosen)], ["rewrite", before, chosen]);
  });
}

test("a suggestion is accepted by Enter and refused by Esc, until something else is typed", () => {
  const suggested = { suggested: true, replaced: "low", written: 2 };
  for (const [key, wish] of [["Enter", "accept"], ["Escape", "refuse"]]) {
    const page = new Shown(panel, snapshot(suggested));
    assert.equal(bar(page).hidden, false);
    assert.match(bar(page).textContent, /Before: low/);
    press(page.field, key);
    assert.deepEqual(page.wishes, [wish]);
  }
  const page = new Shown(panel, snapshot(suggested));
  page.type(`${page.field.value}!`);
  assert.equal(bar(page).hidden, true);
  assert.equal(press(page.field, "Enter").defaultPrevented, false);
});

test("only the lines that a key changed are drawn again", () => {
  const page = open(Array.from({ length: 200 }, (_, at) => `line ${at}`).join("\n"), 0);
  const before = lines(page);
  page.field.setSelectionRange(6, 6);
  page.keys("x");
  const after = lines(page);
  assert.equal(after.filter((line, at) => line !== before[at]).length, 1);
  assert.equal(after[0].textContent, "line 0x\u200b");
});

test("a line is put in and taken out between its neighbours", () => {
  const page = open("a\nb\nc", 3);
  page.keys("\n");
  assert.deepEqual(lines(page).map((line) => line.textContent), ["a\u200b", "b\u200b", "\u200b", "c\u200b"]);
  page.keys("⌫");
  assert.deepEqual(lines(page).map((line) => line.textContent), ["a\u200b", "b\u200b", "c\u200b"]);
});

test("words, characters and tokens are counted, tokens where the kernel knows them", () => {
  const page = new Shown(panel, snapshot({ written: 2, total: 5 }));
  const count = page.find(".jcp-count");
  assert.equal(count.textContent, "4 words · 15 characters · 5 tokens");
  page.type("The mean is low 👍");
  assert.equal(count.textContent, "5 words · 17 characters");
});

test("new text is followed, until the reader scrolls it away, and again once it is back", () => {
  const page = open("The mean", 8), box = page.find(".jcp-paper");
  let end = 500; // of the new text, in a box that shows 100 pixels
  box.getBoundingClientRect = () => ({ top: 0, bottom: 100 });
  window.Range.prototype.getBoundingClientRect = () => ({ top: end - box.scrollTop - 10, bottom: end - box.scrollTop });
  page.tell("begun");
  page.tell("text", { texts: [" is"], before: [["you", "The mean"]], after: [] });
  const followed = box.scrollTop;
  assert.ok(followed >= 400);
  box.scrollTop = 0;
  page.tell("more", { texts: [" low"] });
  assert.equal(box.scrollTop, 0, "before the page has heard of it too");
  box.scrollTop = followed;
  box.dispatchEvent(new Event("scroll"));
  end = 600;
  page.tell("more", { texts: [" and"] });
  assert.ok(box.scrollTop >= 500);
  delete window.Range.prototype.getBoundingClientRect;
});

test("the model's marks can be switched off", () => {
  const page = new Shown(panel, snapshot());
  page.find(".jcp-foot input").click();
  assert.ok(page.find(".jcp").classList.contains("jcp-plain"));
});

test("the history says whose it is", () => {
  const page = open("", 0), item = { number: 1, prompt: "The mean", text: " is", how: "", depth: 0 };
  page.show(snapshot({ recent: [item, { ...item, number: 2 }] }));
  assert.ok(page.all("summary").some((one) => one.textContent === "History of the notebook (2)"));
});

test("the field's spelling is checked", () => assert.equal(open("", 0).field.spellcheck, true));

test("a version of the text is had again by a click", () => {
  const versions = [{ number: 7, time: 1_800_000_000, begin: "The\nmean", words: 2 }];
  const page = new Shown(panel, snapshot({ versions }));
  const old = page.all(".jcp-old").find((one) => one.textContent.includes("The↵mean"));
  assert.match(old.textContent, /2 words/);
  old.click();
  assert.deepEqual([page.sent[0].do, page.sent[0].number], ["restore", 7]);
});
