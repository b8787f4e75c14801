// A page of jsdom, the assembled modules, and a model as anywidget hands it to them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { JSDOM } from "jsdom";

const FOLDER = process.env.JUPYTER_COMPLETE_MODULES;
const { window } = new JSDOM("<!doctype html><body></body>", { pretendToBeVisual: true });

for (const name of ["window", "document", "Event", "InputEvent", "KeyboardEvent", "MouseEvent", "Node"]) {
  globalThis[name] = name === "window" ? window : window[name];
}
globalThis.getSelection = () => window.getSelection();

export const facts = JSON.parse(readFileSync(join(FOLDER, "facts.json"), "utf8"));
export const panel = await import(pathToFileURL(join(FOLDER, "panel.mjs")));
export const tokens = await import(pathToFileURL(join(FOLDER, "tokens.mjs")));
export const inside = await import(pathToFileURL(join(FOLDER, "inside.mjs")));
export const transformer = await import(pathToFileURL(join(FOLDER, "transformer.mjs")));
export const models = await import(pathToFileURL(join(FOLDER, "models.mjs")));
export const cellWriter = await import(pathToFileURL(join(FOLDER, "cell_writer.mjs")));
export const background = await import(pathToFileURL(join(FOLDER, "background.mjs")));

// The front end's copy of a widget: what it holds, and what was sent to the kernel.
export class Model {
  constructor(traits) {
    this.traits = traits;
    this.messages = [];
    this.sent = [];
    this.handlers = new Map();
  }
  get(name) {
    return this.traits[name];
  }
  set(name, value) {
    this.traits[name] = value;
    this.#call(`change:${name}`);
  }
  on(name, handler) {
    this.handlers.set(name, [...(this.handlers.get(name) ?? []), handler]);
  }
  off(name, handler) {
    this.handlers.set(name, (this.handlers.get(name) ?? []).filter((one) => one !== handler));
  }
  send(content) {
    const wish = structuredClone(content.payload ?? content); // control_channel.js wraps a wish up
    this.messages.push(wish);
    this.sent.push(...(wish.do === "all" ? wish.wishes : [wish]));
  }
  save_changes() {}
  tell(message) {
    this.#call("msg:custom", message);
  }
  #call(name, ...given) {
    for (const handler of this.handlers.get(name) ?? []) handler(...given);
  }
}

// A widget that is shown: `tell` numbers messages without a gap, `show` is a new snapshot.
export class Shown {
  constructor(module, snapshot = {}, traits = {}, manager = undefined) {
    this.number = 1;
    this.model = new Model({ shown: { number: 1, ...snapshot }, controls: { controls: facts.controls }, ...traits });
    this.model.widget_manager = manager;
    this.definition = module.default();
    this.definition.initialize({ model: this.model });
    this.el = null;
    this.open();
  }
  open() {
    const el = document.createElement("div");
    document.body.append(el);
    const close = this.definition.render({ model: this.model, el });
    this.el ??= el;
    return { el, close };
  }
  tell(kind, what = {}) {
    this.number += 1;
    this.model.tell({ kind, number: this.number, ...what });
  }
  // The kernel's answer, which a wish waits for before another one can be sent.
  answer() {
    this.tell("refused", { text: "" });
  }
  miss() {
    this.number += 1;
  }
  show(snapshot) {
    this.number += 1;
    this.model.set("shown", { number: this.number, ...snapshot });
  }
  // What was wished for; what keeps the text is looked into by document.test.mjs.
  get sent() {
    return this.model.sent.filter((one) => !["take_up", "keep"].includes(one.do)).map(({ newest, ...wish }) => wish);
  }
  get wishes() {
    return this.sent.map((one) => one.do);
  }
  find(selector) {
    return this.el.querySelector(selector);
  }
  all(selector) {
    return [...this.el.querySelectorAll(selector)];
  }
  button(text) {
    return this.all("button").find((one) => one.textContent === text);
  }
  get field() {
    return this.find(".jcp-field");
  }
  type(text) {
    this.field.value = text;
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  // Keys pressed in the field one after the other, as a browser tells of them; "⌫" takes a character away.
  keys(text) {
    for (const one of text) {
      const { field } = this, at = field.selectionStart, back = one === "⌫";
      const what = { inputType: back ? "deleteContentBackward" : "insertText", data: back ? null : one, bubbles: true };
      field.dispatchEvent(new InputEvent("beforeinput", what));
      field.setRangeText(back ? "" : one, back ? at - 1 : at, at, "end");
      field.dispatchEvent(new InputEvent("input", what));
    }
  }
}

export function press(target, key, held = {}) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...held });
  target.dispatchEvent(event);
  return event;
}

// Columns of tokens, as the kernel tells them.
export function part(name, texts, { top = () => candidates(), ...changed } = {}) {
  return {
    name,
    texts,
    ids: texts.map((_, at) => 100 + at),
    logprobs: texts.map((_, at) => (at || name !== "prompt" ? -(1 + (at % 7)) : null)),
    ranks: texts.map((_, at) => at + 1),
    bits: texts.map(() => 1.5),
    covered: texts.map(() => 0.9),
    groups: texts.map((_, at) => at),
    tops: texts.map((_, at) => top(at)),
    perplexity: 3.2,
    ...changed,
  };
}

export function candidates(texts = ["one", "two", "three"]) {
  return texts.map((text, number) => [text, 500 + number, 0.5 / (number + 1), 0.6 / (number + 1), number ? "top_p" : null]);
}

// The snapshot of a panel with a completion in it.
export function snapshot(changed = {}) {
  return {
    pieces: [["you", "The mean"], ["model", " is low"]],
    busy: false, undo: true, redo: false, footer: "2 tokens", cards: [], recent: [], known: { models: ["tiny", "other"] }, settings: {},
    tokens: { parts: [part("completion", [" is", " low"])], forks: [] },
    code: "%%complete\nThe mean",
    ...changed,
  };
}

// The same random numbers in every run.
export function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const KINDS = [
  (draw) => 0x20 + draw(0x5f), (draw) => 0x20 + draw(0x5f), (draw) => draw(0x20), (draw) => 0x7f + draw(0x21),
  (draw) => 0x200b + draw(0x65), (draw) => 0x4e00 + draw(0x100), (draw) => 0x1f600 + draw(0x40),
  (draw) => 0xe0000 + draw(0x80), (draw) => 0xf0000 + draw(0x80), (draw) => 0xfe000 + draw(0x80), () => 0xf0fff,
];

export function randomText(draw, longest = 12) {
  const length = draw(longest + 1);
  return Array.from({ length }, () => String.fromCodePoint(KINDS[draw(KINDS.length)](draw))).join("");
}
