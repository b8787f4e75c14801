// The tokens: drawn, walked through, looked at, and branched from.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, part, press, tokens } from "./page.mjs";

const three = (changed = {}) => new Shown(tokens, { parts: [part("completion", [" is", " low", "."])], forks: [], ...changed });
const spans = (page) => page.all(".jct-token");
const card = (page) => page.find(".jct-card");
const here = () => document.activeElement;

test("every token is drawn, the prompt's first", () => {
  const page = three({ parts: [part("prompt", ["The", " mean"]), part("completion", [" is"])] });
  assert.deepEqual(spans(page).map((one) => one.textContent), ["The", " mean", " is"]);
});

test("two thousand tokens are drawn", () => {
  const texts = Array.from({ length: 2000 }, (_, at) => ` t${at}`);
  const page = three({ parts: [part("completion", texts, { tops: null })] });
  assert.equal(spans(page).length, 2000);
});

test("tokens that share a character are drawn as one", () => {
  const page = three({ parts: [part("completion", ["", "", "数", "x"], { groups: [0, 3] })] });
  assert.deepEqual(spans(page).map((one) => one.textContent), ["数", "x"]);
});

test("without tokens nothing is shown", () => {
  assert.equal(three({ parts: [] }).find(".jct").hidden, true);
});

test("arrows, Home and End walk from token to token", () => {
  const page = three();
  spans(page)[0].focus();
  const seen = ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Home", "End"].map((key) => {
    press(here(), key);
    return spans(page).indexOf(here());
  });
  assert.deepEqual(seen, [1, 2, 2, 1, 0, 2]);
});

test("one token alone is in the order of Tab", () => {
  const page = three();
  spans(page)[0].focus();
  press(here(), "ArrowRight");
  assert.deepEqual(spans(page).map((one) => one.tabIndex), [-1, 0, -1]);
});

test("Enter shows the token's card and keeps it", () => {
  const page = three();
  spans(page)[1].focus();
  press(here(), "Enter");
  spans(page)[0].dispatchEvent(new Event("pointerover", { bubbles: true }));
  assert.equal(card(page).hidden, false);
  assert.match(card(page).textContent, /␣low/);
  assert.equal(spans(page)[1].getAttribute("aria-expanded"), "true");
});

test("Down leads into the candidates, and Up out of them", () => {
  const page = three();
  spans(page)[1].focus();
  press(here(), "Enter");
  const names = ["ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp"].map((key) => {
    press(here(), key);
    return here().textContent;
  });
  assert.deepEqual(names, ["one", "two", "one", " low"]);
});

test("Escape leads from the candidates back to the token", () => {
  const page = three();
  spans(page)[1].focus();
  press(here(), "Enter");
  press(here(), "ArrowDown");
  press(here(), "Escape");
  assert.equal(card(page).hidden, true);
  assert.equal(here(), spans(page)[1]);
});

test("a candidate that is clicked is branched to", () => {
  const page = three();
  spans(page)[2].click();
  card(page).querySelectorAll("button")[1].click();
  assert.deepEqual(page.sent, [{ do: "branch", at: 2, token: 501 }]);
});

test("the token that was taken is no button", () => {
  const top = () => [["low", 101, 0.5, 0.6, null], ["high", 7, 0.2, 0.4, null]];
  const page = three({ parts: [part("completion", [" is", " low"], { top })] });
  spans(page)[1].click();
  assert.deepEqual([...card(page).querySelectorAll("button")].map((one) => one.textContent), ["high"]);
});

test("the prompt's candidates are only read", () => {
  const page = three({ parts: [part("prompt", ["The", " mean"])] });
  spans(page)[1].click();
  assert.equal(card(page).querySelectorAll("button").length, 0);
  assert.match(card(page).textContent, /one.*two.*three/);
});

test("candidates that the snapshot does not have are asked for, and shown when they come", () => {
  const page = three({ parts: [part("prompt", ["x"]), part("completion", [" is", " low"], { tops: null })] });
  spans(page)[2].click();
  assert.deepEqual(page.sent, [{ do: "weigh", part: 1, at: 1 }]);
  page.tell("weighed", { part: 1, at: 1, top: [["high", 7, 0.2, 0.4, null]] });
  assert.match(card(page).textContent, /high/);
});

test("candidates that were asked for are not asked for again", () => {
  const page = three({ parts: [part("completion", [" is", " low"], { tops: null })] });
  spans(page)[1].click();
  page.tell("weighed", { part: 0, at: 1, top: [["high", 7, 0.2, 0.4, null]] });
  spans(page)[0].click();
  spans(page)[1].click();
  assert.deepEqual(page.sent.filter((one) => one.at === 1).length, 1);
});

test("candidates of a token that is no longer looked at do not take its place", () => {
  const page = three({ parts: [part("completion", [" is", " low"], { tops: null })] });
  spans(page)[0].click();
  spans(page)[1].click();
  page.tell("weighed", { part: 0, at: 0, top: [["early", 7, 0.2, 0.4, null]] });
  assert.doesNotMatch(card(page).textContent, /early/);
});

test("Alt+Up and Alt+Down show the branches of the fork before the token", () => {
  const page = three({ forks: [[1, 1, 2], [2, 2, 2]] });
  spans(page)[1].focus();
  press(here(), "ArrowDown", { altKey: true });
  spans(page)[2].focus();
  press(here(), "ArrowUp", { altKey: true });
  assert.deepEqual(page.sent, [{ do: "sibling", at: 1, step: 1 }, { do: "sibling", at: 2, step: -1 }]);
});

test("a fork says which branch of how many is shown, and turns to the next", () => {
  const page = three({ forks: [[1, 2, 3]] });
  assert.equal(page.find(".jct-chip").textContent, "‹2/3›");
  page.find(".jct-chip").querySelectorAll("button")[1].click();
  assert.deepEqual(page.sent, [{ do: "sibling", at: 1, step: 1 }]);
});

test("a fork at the end of the text can be turned too", () => {
  assert.equal(three({ forks: [[3, 1, 2]] }).find(".jct-chip")?.textContent, "‹1/2›");
});

test("a fork inside a character can be turned too", () => {
  const page = three({ parts: [part("completion", ["", "", "数", "x"], { groups: [0, 3] })], forks: [[1, 1, 2]] });
  assert.equal(page.find(".jct-chip")?.textContent, "‹1/2›");
});

test("the least likely tokens are named, and lead to themselves", () => {
  const page = three();
  page.find(".jct-jump").click();
  assert.equal(here(), spans(page)[2]);
});

test("a token that was not measured says so", () => {
  const page = three({ parts: [part("prompt", ["The", " mean"])] });
  spans(page)[0].click();
  assert.match(card(page).textContent, /not measured/);
});

test("a refused branch is told", () => {
  const page = three();
  page.tell("refused", { text: "It cannot be." });
  assert.equal(page.find("[role=status]").textContent, "It cannot be.");
});
