// The text that is edited: who wrote what, and characters that are not seen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, panel, random, randomText } from "./page.mjs";

const { edited, shield, unshield, visible } = panel;
const joined = (pieces) => pieces.map(([, text]) => text).join("");
const WRITTEN = [["you", "The mean"], ["model", " is low"], ["you", "."]];

// Whether all of `some` is in `whole`, one after the other.
function inOrder(some, whole) {
  let at = -1;
  return [...some].every((one) => (at = whole.indexOf(one, at + 1)) >= 0);
}

test("what is put in is the user's, and the model's stays the model's", () => {
  assert.deepEqual(edited(WRITTEN, "The mean is very low.", 17),
    [["you", "The mean"], ["model", " is "], ["you", "very "], ["model", "low"], ["you", "."]]);
});

test("what is taken away is taken from who wrote it", () => {
  assert.deepEqual(edited(WRITTEN, "The mean low."), [["you", "The mean"], ["model", " low"], ["you", "."]]);
});

test("what is put in at a border joins the user's own", () => {
  assert.deepEqual(edited(WRITTEN, "The mean of it is low.", 14),
    [["you", "The mean of it"], ["model", " is low"], ["you", "."]]);
});

test("a text that is written anew is the user's", () => {
  assert.deepEqual(edited(WRITTEN, "Zebra"), [["you", "Zebra"]]);
});

test("an emptied text has no pieces", () => {
  assert.deepEqual(edited(WRITTEN, ""), []);
});

test("an unchanged text is left as it is", () => {
  assert.deepEqual(edited(WRITTEN, joined(WRITTEN)), WRITTEN);
});

test("a character is never divided", () => {
  assert.deepEqual(edited([["model", "a😀b"]], "a😁b"), [["model", "a"], ["you", "😁"], ["model", "b"]]);
});

test("the characters of two halves are each whole, wherever they differ", () => {
  for (const [before, after] of [["😀", "😁"], ["😀😀", "😀"], ["😀🐀", "🐀"], ["x😀", "😀x"], ["𐀀", "😀"], ["🀀", "😀"]]) {
    const pieces = edited([["model", before]], after);
    assert.equal(joined(pieces), after);
    for (const [, text] of pieces) assert.ok(text.isWellFormed(), `${before} → ${after}`);
  }
});

test("whatever is edited, the pieces join to the text and none of the user's is called the model's", () => {
  const draw = random(1);
  for (let round = 0; round < 2000; round += 1) {
    const pieces = [["you", randomText(draw)], ["model", randomText(draw)], ["you", randomText(draw)]].filter(([, one]) => one);
    const old = [...joined(pieces)], at = draw(old.length + 1), gone = draw(4);
    const text = [...old.slice(0, at), randomText(draw, 3), ...old.slice(at + gone)].join("");
    const after = edited(pieces, text, draw(text.length + 1));
    assert.equal(joined(after), text);
    const model = pieces.filter(([who]) => who === "model").map(([, one]) => one).join("");
    for (const [, one] of after) assert.ok(one.isWellFormed());
    assert.ok(inOrder(after.filter(([who]) => who === "model").map(([, one]) => one).join(""), model));
  }
});

test("every unseen character is seen in the field and leads back to itself", () => {
  for (const code of facts.unseen.map(Number)) {
    const one = String.fromCodePoint(code);
    assert.equal(visible(shield(one)), shield(one));
    assert.equal(unshield(shield(one)), one);
  }
});

test("an unseen character is shown by the sign that the kernel shows it by", () => {
  for (const [code, sign] of facts.signs) assert.equal(visible(String.fromCodePoint(code)), sign);
});

test("ordinary text stands in the field as it is", () => {
  const text = "The mean\n\tis 3 < 4 & \"so\". 数据 é naïve 👍 می\u200cخواهم 👩\u200d👧";
  assert.equal(shield(text), text);
  assert.equal(unshield(text), text);
});

test("whatever a text is, it leads back to itself", () => {
  const draw = random(2);
  for (let round = 0; round < 5000; round += 1) {
    const text = randomText(draw);
    assert.equal(unshield(shield(text)), text);
  }
});

test("a text of private characters, such as icons, stays as it is", () => {
  for (const text of ["\u{f0001}", "\u{f0fff}", "\u{f0fff}\u{f0001}", "\u{f0fff}\u{f0fff}", "\u{fe041}\u{f0fff}x"]) {
    assert.equal(unshield(shield(text)), text);
  }
});
