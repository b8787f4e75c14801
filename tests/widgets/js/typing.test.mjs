// What was typed is undone and had again, in one history with what was completed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, panel, press, snapshot } from "./page.mjs";

const back = (page) => press(page.field, "z", { ctrlKey: true });
const on = (page) => press(page.field, "Z", { ctrlKey: true, shiftKey: true });
const tinted = (page) => page.all(".jcp-by-model").map((one) => one.textContent);

function open(changed) {
  const page = new Shown(panel, snapshot(changed));
  page.field.setSelectionRange(page.field.value.length, page.field.value.length);
  return page;
}

test("what was typed is undone a word at a time, and had again, without the kernel", () => {
  const page = open();
  page.keys(" and so");
  const seen = [page.field.value];
  for (const turn of [back, back, on, on]) {
    turn(page);
    seen.push(page.field.value);
  }
  const [one, two, three] = ["The mean is low", "The mean is low and", "The mean is low and so"];
  assert.deepEqual(seen, [three, two, one, two, three]);
  assert.deepEqual(page.sent, []);
});

test("a run of deletions is one step, and so is what is typed after it", () => {
  const page = open();
  page.keys("⌫⌫⌫high");
  back(page);
  assert.equal(page.field.value, "The mean is ");
  back(page);
  assert.equal(page.field.value, "The mean is low");
});

test("what is typed elsewhere is a step of its own", () => {
  const page = open();
  page.keys("er");
  page.field.setSelectionRange(3, 3);
  page.keys("y");
  back(page);
  assert.equal(page.field.value, "The mean is lower");
});

test("what the model wrote is the model's again", () => {
  const page = open();
  page.keys("⌫⌫⌫high");
  back(page);
  back(page);
  assert.deepEqual(tinted(page), [" is low"]);
});

test("the caret is where the text changed", () => {
  const page = open();
  page.field.setSelectionRange(8, 8);
  page.keys("ing");
  back(page);
  assert.deepEqual([page.field.value, page.field.selectionStart], ["The mean is low", 8]);
});

test("what was undone is gone once something else is typed", () => {
  const page = open({ redo: false });
  page.keys("er");
  back(page);
  page.keys("!");
  on(page);
  assert.equal(page.field.value, "The mean is low!");
});

test("behind what was typed the kernel is asked for the text before", () => {
  const page = open();
  page.keys("er");
  back(page);
  back(page);
  assert.deepEqual(page.sent, [{ do: "undo", pieces: [["you", "The mean"], ["model", " is low"]] }]);
});

test("before the kernel has answered it is not asked again", () => {
  const page = open();
  back(page);
  back(page);
  page.show(snapshot({ pieces: [["you", "The"]] }));
  back(page);
  assert.deepEqual(page.sent.map(({ pieces }) => pieces[0][1]), ["The mean", "The"]);
});

test("the kernel's next text is asked for only where nothing was typed since", () => {
  const page = open({ redo: true });
  page.keys("er");
  on(page);
  assert.deepEqual(page.wishes, []);
  back(page);
  on(page);
  assert.equal(page.field.value, "The mean is lower", "what was typed comes before what the kernel has");
});

test("what was typed before a completion is undone as one text, by the kernel", () => {
  const page = open();
  page.keys(" and so");
  press(page.field, "Enter", { ctrlKey: true });
  page.show(snapshot({ pieces: [["you", "The mean is low and so"], ["model", " on"]] }));
  back(page);
  assert.equal(page.field.value, "The mean is low and so on");
  assert.deepEqual(page.wishes, ["complete", "undo"]);
});

test("the buttons lead through the same history", () => {
  const page = open({ undo: false });
  assert.equal(page.button("Undo").disabled, true);
  page.keys("er");
  page.button("Undo").click();
  assert.equal(page.field.value, "The mean is low");
  page.button("Redo").click();
  assert.equal(page.field.value, "The mean is lower");
});

test("Ctrl+Z in another field is that field's own", () => {
  const page = open();
  assert.equal(press(page.find(".jcp-control input"), "z", { ctrlKey: true }).defaultPrevented, false);
  assert.deepEqual(page.sent, []);
});

test("a line break that the front end takes from the field is put in all the same", () => {
  const page = open();
  const event = new InputEvent("beforeinput", { inputType: "insertLineBreak", bubbles: true, cancelable: true });
  event.preventDefault();
  page.field.dispatchEvent(event);
  page.keys("So");
  assert.equal(page.field.value, "The mean is low\nSo");
});
