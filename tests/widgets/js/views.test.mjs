// What holds for every view: text is text, every place shows the same, and what is closed is gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, candidates, facts, panel, part, snapshot, tokens } from "./page.mjs";

const ACTIVE = "script,img,iframe,style,link,object,embed,svg,[data-commandlinker-command],a[href],[onclick],[onerror]";
const LONGEST = 20_000;

function everywhere(text) {
  return snapshot({
    pieces: [["you", text], ["model", text]], footer: text, cards: [{ text, mean: -1 }, { text, mean: null }], code: text,
    recent: [{ number: 0, prompt: text, text, how: text, depth: 1 }], known: { models: [text] }, settings: { stop: [text], model: text },
    tokens: { parts: [part("completion", [text, text], { top: () => candidates([text, text]) })], forks: [[1, 1, 2]] },
  });
}

for (const [name, whole] of Object.entries(facts.hostile)) {
  const text = whole.slice(0, LONGEST);

  test(`nothing of a hostile text becomes an element: ${name}`, () => {
    const count = (page) => [page.el.querySelectorAll("*").length, page.el.querySelectorAll(ACTIVE).length];
    const plain = new Shown(panel, everywhere("x".repeat(text.split("\n").length)));
    const page = new Shown(panel, everywhere(text));
    for (const one of [plain, page]) {
      one.tell("begun");
      one.tell("waiting", { text: one === page ? text : "x" });
      one.tell("text", { texts: [one === page ? text : "x"], before: [] });
      one.tell("more", { texts: [one === page ? text : "x"] });
      one.tell("refused", { text: one === page ? text : "x" });
      one.all(".jct-token")[1].click();
    }
    assert.equal(count(page)[1], 0);
    const breaks = 2 * (text.split("\n").length - 1);
    const more = (selector) => page.all(selector).length - plain.all(selector).length;
    const spoken = more("[role=log] p"), lines = more(".jcp-line") + more(".jcp-line span");
    assert.equal(count(page)[0] - breaks - spoken - lines, count(plain)[0]);
  });

  test(`a hostile text comes back from the field as it went: ${name}`, () => {
    const page = new Shown(panel, snapshot({ pieces: [["you", text]] }));
    page.button("Undo").click();
    assert.deepEqual(page.sent[0].pieces, [["you", text]]);
    page.answer();
    page.type(`${page.field.value}!`);
    page.button("Complete").click();
    assert.deepEqual(page.sent[1].pieces, [["you", `${text}!`]]);
  });
}

test("two places of one widget show the same", () => {
  const page = new Shown(panel, snapshot());
  const other = page.open();
  page.tell("begun");
  page.tell("text", { texts: [" was"], before: [["you", "The mean"]] });
  for (const el of [page.el, other.el]) assert.equal(el.querySelector(".jcp-field").value, "The mean was");
});

test("a place that is opened later draws from the snapshot", () => {
  const page = new Shown(panel, snapshot());
  page.show(snapshot({ pieces: [["you", "Later"]] }));
  assert.equal(page.open().el.querySelector(".jcp-field").value, "Later");
});

test("a gap is asked about once for all places", () => {
  const page = new Shown(panel, snapshot());
  page.open();
  page.miss();
  page.tell("begun");
  assert.deepEqual(page.wishes, ["again"]);
});

test("a place that is closed hears no more, and the others do", () => {
  const page = new Shown(tokens, { parts: [part("completion", ["a"])], forks: [] });
  const other = page.open();
  other.close();
  page.show({ parts: [part("completion", ["a", "b"])], forks: [] });
  assert.equal(page.all(".jct-token").length, 2);
  assert.equal(other.el.querySelectorAll(".jct-token").length, 1);
});

test("two widgets have nothing to do with each other", () => {
  const one = new Shown(panel, snapshot()), other = new Shown(panel, snapshot());
  one.tell("text", { texts: [" was"], before: [] });
  assert.equal(other.field.value, "The mean is low");
});

test("before its first snapshot a view is drawn all the same", () => {
  assert.equal(new Shown(panel).field.value, "");
  assert.equal(new Shown(tokens).all(".jct-token").length, 0);
});
