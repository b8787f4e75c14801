// What the panel asks for: by its buttons, by the keyboard, and with which settings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, facts, panel, part, press, random, randomText, snapshot } from "./page.mjs";

const { settingsPart } = panel;
const FORKED = { parts: [part("completion", [" is", " low"])], forks: [[1, 1, 2]] };

test("Ctrl+Enter completes the text as it stands", () => {
  const page = new Shown(panel, snapshot());
  page.type("The mean is lower");
  press(page.field, "Enter", { ctrlKey: true });
  assert.deepEqual(page.sent[0].pieces, [["you", "The mean"], ["model", " is low"], ["you", "er"]]);
  assert.equal(page.sent[0].do, "complete");
});

test("Ctrl+Enter completes from wherever the focus is", () => {
  const page = new Shown(panel, snapshot());
  for (const place of [".jct-token", ".jcp-control input", ".jcp-code"]) {
    press(page.find(place), "Enter", { ctrlKey: true });
    page.answer();
  }
  assert.deepEqual(page.wishes, ["complete", "complete", "complete"]);
});

test("Enter alone is a line break", () => {
  const page = new Shown(panel, snapshot());
  assert.equal(press(page.field, "Enter").defaultPrevented, false);
  assert.deepEqual(page.sent, []);
});

test("Escape stops only what is written", () => {
  const page = new Shown(panel, snapshot());
  press(page.field, "Escape");
  assert.deepEqual(page.wishes, []);
  page.tell("begun");
  press(page.field, "Escape");
  assert.deepEqual(page.wishes, ["stop"]);
});

test("while a text is written a second is not begun", () => {
  const page = new Shown(panel, snapshot());
  page.tell("begun");
  press(page.field, "Enter", { ctrlKey: true });
  assert.deepEqual(page.wishes, []);
  assert.match(page.find(".jcp-status").textContent, /Stop it first/);
});

test("undo and redo have keys, and send the text as it stands", () => {
  const page = new Shown(panel, snapshot({ redo: true }));
  press(page.field, "z", { ctrlKey: true, altKey: true });
  page.show(snapshot({ redo: true }));
  press(page.field, "y", { ctrlKey: true, altKey: true });
  assert.deepEqual(page.wishes, ["undo", "redo"]);
  assert.deepEqual(page.sent[0].pieces, [["you", "The mean"], ["model", " is low"]]);
});

test("what cannot be undone is not asked for", () => {
  const page = new Shown(panel, snapshot({ undo: false }));
  press(page.field, "z", { ctrlKey: true, altKey: true });
  assert.deepEqual(page.wishes, []);
});

test("Alt+Up and Alt+Down show the branches of the nearest fork", () => {
  const page = new Shown(panel, snapshot({ tokens: FORKED }));
  press(page.field, "ArrowUp", { altKey: true });
  page.answer();
  press(page.field, "ArrowDown", { altKey: true });
  const pieces = [["you", "The mean"], ["model", " is low"]];
  assert.deepEqual(page.sent, [-1, 1].map((step) => ({ do: "sibling", at: 1, step, pieces })));
});

test("without a fork Alt+Up is left to the page", () => {
  const page = new Shown(panel, snapshot());
  assert.equal(press(page.field, "ArrowUp", { altKey: true }).defaultPrevented, false);
});

test("a changed text is completed, an unchanged one continued, and only that one written anew", () => {
  const page = new Shown(panel, snapshot());
  assert.ok(page.button("Continue"));
  assert.equal(page.button("Regenerate").disabled, false);
  page.type("The mean is lower");
  assert.ok(page.button("Complete"));
  assert.equal(page.button("Regenerate").disabled, true);
});

test("an empty text is not completed", () => {
  const page = new Shown(panel, snapshot({ pieces: [], code: "" }));
  assert.equal(page.button("Complete").disabled, true);
});

test("a candidate that is clicked is branched to, with text and settings", () => {
  const page = new Shown(panel, snapshot({ settings: { top_k: 7 } }));
  page.all(".jct-token")[1].click();
  page.find(".jct-card td button").click();
  assert.deepEqual([page.sent[0].do, page.sent[0].at, page.sent[0].token], ["branch", 1, 500]);
  assert.equal(page.sent[0].settings.top_k, 7);
});

// -- settings

function settings(values) {
  const made = settingsPart(facts.controls);
  document.body.append(made.root);
  made.set(values, { models: ["tiny", "other"] });
  return made;
}

test("there is a control for each option that the kernel declares, and no other", () => {
  const page = new Shown(panel, snapshot());
  const labels = page.all(".jcp-control label").map((one) => one.textContent.replaceAll(" ", "_"));
  assert.deepEqual(labels, facts.controls.map((one) => one.name.replace(/_$/, "")));
});

test("each control has its option's help and bounds", () => {
  const page = new Shown(panel, snapshot());
  facts.controls.forEach(({ help, low, high, kind }, place) => {
    const field = page.all(".jcp-control")[place].querySelector("input, select");
    assert.equal(page.all(".jcp-control")[place].title, help);
    if (kind === "whole" || kind === "number") assert.deepEqual([field.min, field.max], [`${low ?? ""}`, `${high ?? ""}`]);
  });
});

test("the kernel's own values come back as they went", () => {
  const told = Object.fromEntries(Object.entries(facts.values).filter(([, one]) => one !== null && one !== ""));
  assert.deepEqual(settings(facts.values).values(), told);
});

test("stop texts come back as they went, whatever is in them", () => {
  for (const stop of [["|"], ["a|b", "c"], ["\n"], ["\n\n", "\t"], ["\\"], ["\\n"], ["\\|"], ["a\\", "b"], [" "], ["\r\n"], [";"]]) {
    assert.deepEqual(settings({ stop }).values().stop, stop);
  }
});

test("any stop texts come back as they went", () => {
  const draw = random(3);
  for (let round = 0; round < 300; round += 1) {
    const stop = Array.from({ length: draw(4) }, () => randomText(draw, 5)).filter((one) => one);
    assert.deepEqual(settings({ stop }).values().stop, stop);
  }
});

test("a backslash at the end of what is typed is one", () => {
  const made = settings({ stop: [] });
  made.root.querySelector('input[placeholder^="several"]').value = "a|b\\";
  assert.deepEqual(made.values().stop, ["a", "b\\"]);
});

test("an empty number or name is left to the session", () => {
  const found = settings({ ...facts.values, seed: null, model: "" }).values();
  assert.ok(!("seed" in found) && !("model" in found));
});

test("an option of few values is chosen among them, and only them", () => {
  const made = settings(facts.values), { values } = facts.controls.find((one) => one.name === "length");
  const field = made.root.querySelector("[id^=jcp-length-]");
  assert.deepEqual([...field.options].map((one) => one.value), values);
  field.value = values.at(-1);
  assert.equal(made.values().length, values.at(-1));
});

test("the known names of an option are offered whatever stands in its field", () => {
  const made = settings({ ...facts.values, model: "tiny" });
  const field = made.root.querySelector("[id^=jcp-model-]"), offer = field.nextElementSibling;
  assert.deepEqual([...offer.options].map((one) => one.value), ["tiny", "other"]);
  offer.value = "other";
  offer.dispatchEvent(new Event("change"));
  made.set({ model: "tiny" }, { models: ["tiny", "other"] });
  assert.deepEqual([field.value, made.values().model, offer.value], ["other", "other", ""]);
});

test("a control that is being typed in is not written over", () => {
  const page = new Shown(panel, snapshot({ settings: { top_k: 7 } }));
  const field = page.all(".jcp-control").find((one) => one.textContent === "top k").querySelector("input");
  field.closest("details").open = true;
  field.focus();
  field.value = "9";
  page.show(snapshot({ settings: { top_k: 7 } }));
  assert.equal(field.value, "9");
});
