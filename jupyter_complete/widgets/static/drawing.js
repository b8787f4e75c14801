// How the stations draw: numbers out of bytes, shares as colour and as height at once, cells walked by arrow keys.

const NAMESPACE = "http://www.w3.org/2000/svg";

function svg(tag, props = {}, ...children) {
  const node = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// One without a label is for the eye alone, beside what says the same.
const picture = (width, height, label, ...children) =>
  svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) }, ...children);

const unpacked = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

// Row `index` of numbers that came as bytes, 255 of which are the row's most.
function rowOf({ bytes, most, width }, index) {
  return [...bytes.subarray(index * width, (index + 1) * width)].map((one) => (one / 255) * most[index]);
}

const number = (value, digits = 2) => (value === null || value === undefined ? "−∞" : value.toFixed(digits).replace("-", "−"));
const warmth = (share) => (share < 0.02 ? "" : `rgb(232 120 0 / ${(0.6 * Math.min(1, share)).toFixed(3)})`);

// Bars from 0 up, as high as their share of the largest.
function bars(numbers, label, width = 96, height = 28) {
  const most = Math.max(...numbers, 1e-9), each = width / numbers.length;
  const path = numbers.map((one, at) => `M${(at * each).toFixed(1)} ${height}v${(-height * one / most).toFixed(1)}h${Math.max(each, 0.6).toFixed(2)}V${height}z`);
  return picture(width, height, label, svg("path", { class: "jci-bars", d: path.join("") }));
}

// A vector as a strip: each number a cell whose colour says how large it is, and a bar up or down from the middle.
function strip(levels, zero, label) {
  const cells = levels.map((level, at) => {
    const size = level - zero, high = (Math.abs(size) / 255) * 20;
    return svg("rect", { class: size < 0 ? "jci-less" : "jci-more", x: at * 8, width: 7, y: size < 0 ? 10 : 10 - high, height: Math.max(0.5, high) });
  });
  return picture(levels.length * 8, 20, label, ...cells);
}

// The frame of a view, in which arrow keys move a slider and turn a list: a notebook would take them for its own. It
// takes the focus where nothing else in it does, so that keys come here after a click anywhere.
function frame(label, ...parts) {
  const keys = (event) => event.target.matches("input, select") && !event.ctrlKey && !event.metaKey && event.stopPropagation();
  return make("div", { className: "jc-view jci", role: "group", "aria-label": label, tabIndex: -1, onkeydown: keys }, ...parts);
}

// What moves by a step: the two keys of a presenter's clicker, from wherever the focus is, and the arrow keys where no
// slider, list or table has a use for them.
function stepKeys(root, move) {
  root.addEventListener("keydown", (event) => {
    const paged = { PageDown: 1, PageUp: -1 }[event.key], by = paged ?? { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!paged && event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    event.stopPropagation();
    move(by);
  });
}

// A button that cannot be used now keeps the focus: a disabled one would give it, and the next key, to the notebook.
function allow(node, allowed) {
  node.setAttribute("aria-disabled", String(!allowed));
}
const allowed = (node) => node.getAttribute("aria-disabled") !== "true";

// Other children in the place of these; the keyboard stays where it was among them.
function renew(root, ...nodes) {
  const all = () => [...root.querySelectorAll("button, [tabindex]")], at = all().indexOf(document.activeElement);
  root.replaceChildren(...nodes);
  if (at >= 0) all()[at]?.focus({ preventScroll: true });
}

const select = (label, values, onchange) =>
  make("label", { className: "jci-pick" }, label, " ", make("select", { onchange }, ...values.map(([value, text]) => make("option", { value }, text))));

// Have the cells of `root` walked by the arrow keys, `wide` of them a row; one at a time is in the order of Tab.
function walked(root, selector, wide, look, press) {
  const cells = () => [...root.querySelectorAll(selector)];
  const of = ({ target }) => target.closest?.(selector);
  const seen = (cell, focus) => {
    for (const one of root.querySelectorAll('[tabindex="0"]')) one.tabIndex = -1;
    cell.tabIndex = 0;
    if (focus) cell.focus();
    look(cell);
  };
  root.addEventListener("pointerover", (event) => of(event) && look(of(event)));
  root.addEventListener("focusin", (event) => of(event) && seen(of(event), false));
  root.addEventListener("click", (event) => of(event) && press?.(of(event)));
  root.addEventListener("keydown", (event) => {
    const all = cells(), at = all.indexOf(of(event));
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = wide(), last = all.length - 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + row, ArrowUp: at - row, Home: at - (at % row), End: Math.min(last, at - (at % row) + row - 1) }[event.key];
    if (to !== undefined) all[to] && seen(all[to], true);
    else if (press && (event.key === "Enter" || event.key === " ")) press(all[at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// What the kernel was asked and has answered: each answer is kept, and of each kind one question is under way.
class Answers {
  // `stored` gives the answers that came with the widget.
  constructor(line, changed, stored = () => undefined) {
    this.line = line;
    this.changed = changed;
    this.stored = stored;
    this.held = null;
    this.clear();
  }

  key(kind, asked) {
    return JSON.stringify([kind, Object.entries(asked).sort()]);
  }

  clear() {
    this.known = new Map();
    this.pending = new Map();
  }

  // The answer, or {wait} while it is on its way, or {text} why there is none.
  ask(kind, asked) {
    const key = this.key(kind, asked);
    const found = this.known.get(key) ?? this.stored(kind, asked);
    if (found) return found;
    if (this.line.alive.state === "gone") return { text: NOT_STORED };
    if (this.pending.get(kind) !== key) {
      this.pending.set(kind, key);
      if (this.held) this.held.push({ do: kind, ...asked });
      else this.line.say(kind, asked);
    }
    return { wait: true };
  }

  // What `asking` asks, as one message.
  together(asking) {
    const wishes = (this.held = []);
    try {
      asking();
    } finally {
      this.held = null;
    }
    if (wishes.length) this.line.say("all", { wishes });
  }

  heard(kind, asked, found) {
    const key = this.key(kind, asked);
    if (this.known.size > 300) this.known.delete(this.known.keys().next().value);
    this.known.set(key, found);
    if (this.pending.get(kind) === key) this.pending.delete(kind);
    this.changed();
  }
}

const NOT_STORED = "This was not stored. Run the cell again to ask the model.";
const waiting = (found) => div("jci-quiet", found.wait ? "asking the model …" : found.text);
const missing = (found) => Boolean(found.wait || found.text);
