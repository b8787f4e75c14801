// What the views share. Text of a model only ever becomes text nodes and values: no markup is made of it.

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const div = (className, ...children) => make("div", { className }, ...children);
const span = (className, ...children) => make("span", { className }, ...children);
const button = (text, title, onclick, more) => make("button", { type: "button", title, onclick, ...more }, text);
const choices = (values) => values.map((value) => make("option", { value }, visible(value) || "–"));
const unique = () => Math.random().toString(36).slice(2);

// Control, bidirectional and invisible characters, as the kernel's own views treat them.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e01ef}]/gu;

function sign(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "␡" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

const visible = (text) => text.replace(UNSEEN, sign);
const glyphs = (text) => visible(text).replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥") || "·";
const quoted = (text) => `“${glyphs(text)}”`;

// In a text that can be edited those characters stand as private ones that are seen and that lead back to them;
// a private one that is meant as itself has a mark before it.
const PRIVATE = 0xf0000, TAGS = 0xe0000, OF_TAGS = 0x100000, MARK = "\u{100fff}";
const STANDING = /\u{100fff}?[\u{f0000}-\u{fffff}\u{100000}-\u{1001ef}\u{100fff}]/gu;

function shield(text) {
  const marked = text.replace(STANDING, (all) => [...all].map((one) => (one === MARK || meant(one) ? MARK + one : one)).join(""));
  return marked.replace(UNSEEN, (one) => {
    const code = one.codePointAt(0);
    return String.fromCodePoint(code < TAGS ? PRIVATE + code : OF_TAGS + code - TAGS);
  });
}

function unshield(text) {
  return text.replace(STANDING, (all) => {
    const [one, marked] = all;
    return marked ?? (meant(one) || one);
  });
}

// The unseen character that a private one stands for; none for most.
function meant(one) {
  const code = one.codePointAt(0);
  const other = String.fromCodePoint(code < OF_TAGS ? code - PRIVATE : code - OF_TAGS + TAGS);
  return visible(other) === other ? "" : other;
}

const percent = (share) => {
  if (share > 0 && share < 0.0001) return "<0.01 %";
  return `${(100 * share).toFixed(share >= 0.0995 ? 0 : share >= 0.00995 ? 1 : 2)} %`;
};

// The kernel's end of a view: the snapshot, and messages numbered without a gap.
class Line {
  constructor(model) {
    this.model = model;
    this.shown = model.get("shown") || {};
    this.number = this.shown.number || 0;
    this.views = new Set();
    this.alive = aliveOf(model, () => this.each("alive", this.alive));
    model.on("change:shown", () => {
      this.shown = model.get("shown") || {};
      this.number = this.shown.number || 0;
      this.each("shown", this.shown);
    });
    model.on("msg:custom", (message) => this.heard(message));
  }

  heard(message) {
    if (!message || message.number <= this.number) return;
    if (message.number > this.number + 1) this.say("again");
    this.number = message.number;
    this.each(message.kind, message);
  }

  each(kind, message) {
    for (const view of this.views) view[kind]?.(message);
  }

  // Nothing is sent to a kernel that is gone: whether it was.
  say(wish, what = {}) {
    if (this.alive.state === "gone") return false;
    sendUrgent(this.model, { do: wish, ...what });
    return true;
  }

  show(view) {
    this.views.add(view);
    view.shown(this.shown);
    view.alive?.(this.alive);
    return () => this.views.delete(view);
  }
}

// In JupyterLab a letter typed anywhere but into a field is a command (x cuts the cell): not so inside a view, where only
// those with Ctrl or Cmd stay the notebook's, and of them not those that undo typing. It looks before any view does. The
// mark must be on the node that has the focus: a command may name just that, and is found before any node around it. It is
// taken away again with the next key, for on a node around the one with the focus it would keep that one's Ctrl+S from
// the notebook. So that a click between the parts of a view is inside it too, the view itself can have the focus.
const LOOSE = "data-lm-suppress-shortcuts";

function guard(el) {
  let marked = null;
  const mark = ({ target, ctrlKey, metaKey, key }) => {
    marked?.removeAttribute(LOOSE);
    marked = el.contains(target) && (!(ctrlKey || metaKey) || /^[zy]$/i.test(key)) ? target : null;
    marked?.setAttribute(LOOSE, "");
  };
  el.tabIndex = -1;
  window.addEventListener("keydown", mark, true);
  return () => window.removeEventListener("keydown", mark, true);
}

// An anywidget definition of a view: one line to the kernel for all places where it is shown. `begin` is called with it
// before any view is drawn. A view with an `alive` of its own is told {state, silent} of its kernel; above the others a
// notice says it. In a notebook's file the view stands as text (notebook.js).
function viewOf(draw, begin) {
  return () => {
    let line = null;
    const started = (model) => {
      if (line) return line;
      line = new Line(model);
      const context = notebookOf(model);
      if (context) quietly(context, () => putBack(context, model.get("_urgent")));
      begin?.(line);
      return line;
    };
    return {
      initialize({ model }) {
        started(model);
      },
      render({ model, el }) {
        const free = guard(el), view = draw(el, started(model)), context = notebookOf(model);
        if (!view.alive) noticeAbove(el, line, view);
        const gone = line.show(view);
        if (context) quietly(context, () => leaveOut(context, model.get("_urgent")));
        return () => {
          free();
          gone();
          view.gone?.();
        };
      },
    };
  };
}

// What a view that is gone can no longer do is switched off, and looks so; its `dead` does the rest.
function noticeAbove(el, line, view) {
  const notice = aliveNotice(line.model, el);
  el.prepend(notice.root);
  view.alive = ({ state, silent }) => {
    notice.alive(state, silent);
    el.toggleAttribute("data-jc-gone", state === "gone");
    if (state === "gone") view.dead?.();
  };
}
