// The completion panel: a text that user and model write in turn, with the model's part tinted.

const PATIENCE = 4000; // milliseconds that the kernel is given to answer

function panelPart(line, controls) {
  const status = make("span", { className: "jcp-status", role: "status", "aria-live": "polite" });
  const heard = make("div", { className: "jc-hidden", role: "log", "aria-live": "polite", "aria-label": "Text as it is written" });
  const paper = paperPart(refresh, keys);
  const settings = settingsPart(controls);
  const tokens = tokensPart({
    branch: (at, token) => act("branch", { at, token }),
    sibling: (at, step) => see("sibling", { at, step }),
    weigh: (part, at) => line.say("weigh", { part, at }),
  });
  const cards = make("div", { className: "jcp-cards" });
  const recent = make("ol", { className: "jcp-recent" });
  const code = make("pre", { className: "jcp-code", tabIndex: 0 });
  const buttons = {
    complete: button("Complete", "Write on from the text (Ctrl+Enter)", () => act("complete")),
    stop: button("Stop", "End here and keep the text (Esc)", stop),
    regenerate: button("Regenerate", "Write the model's last text anew, with another seed", () => act("regenerate")),
    undo: button("Undo", "The text as it was before (Ctrl+Alt+Z)", () => line.say("undo", { pieces: paper.pieces() })),
    redo: button("Redo", "The text as it was after (Ctrl+Alt+Y)", () => line.say("redo", { pieces: paper.pieces() })),
  };
  const tokenBox = box("Tokens", tokens.root), codeBox = box("As code", codeTools(), code);
  const recentBox = box("History", recent);
  const root = make("div", { className: "jc-view jcp", role: "group", "aria-label": "Completion panel", onkeydown: keys },
    make("div", { className: "jcp-bar", role: "toolbar", "aria-label": "Completion" }, ...Object.values(buttons), status),
    paper.root, heard, cards, box("Settings", settings.root), tokenBox, recentBox, codeBox);
  let shown = {}, busy = false, spoken = "", unanswered = 0;

  function button(text, title, onclick) {
    return make("button", { type: "button", title, onclick }, text);
  }

  function box(name, ...parts) {
    return make("details", { className: "jcp-box" }, make("summary", {}, name), ...parts);
  }

  function codeTools() {
    return make("div", {},
      button("Copy", "Copy the code", () => copy(shown.code || "")),
      button("Into a new cell", "Insert a cell with this code below; it is not run", () => insert(shown.code || "")));
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      say("The code is copied.");
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      say("The code is selected: copy it with Ctrl+C.");
    }
  }

  // JupyterLab and Notebook run a command that a clicked element names; elsewhere the code is copied.
  function insert(text) {
    const cells = () => document.querySelectorAll(".jp-Notebook .jp-Cell, .jp-Notebook .jp-WindowedPanel-outer").length;
    const command = (name, args) => {
      const link = make("a", { "data-commandlinker-command": name, "data-commandlinker-args": JSON.stringify(args || {}) });
      root.append(link);
      link.click();
      link.remove();
    };
    const before = cells();
    command("notebook:insert-cell-below");
    setTimeout(() => {
      if (cells() === before) return copy(text);
      command("notebook:replace-selection", { text });
      say("The code is in a new cell.");
    }, 200);
  }

  function say(text, wrong = false) {
    status.textContent = text;
    status.classList.toggle("jcp-wrong", wrong);
  }

  function act(wish, what = {}) {
    if (busy) return say("A completion is being written. Stop it first.", true);
    if (wish === "complete" && shown.ended && paper.text() === joined(shown.pieces)) {
      return say("The model ended its text here. Write on yourself, or Regenerate.", true);
    }
    line.say(wish, { ...what, pieces: paper.pieces(), settings: settings.values() });
    say("asking the kernel …");
    clearTimeout(unanswered);
    unanswered = setTimeout(() => say("No answer yet. After a restart of the kernel, run this cell again.", true), PATIENCE);
    unanswered.unref?.();
  }

  // Show another text; what was typed into this one can be had again by Undo.
  function see(wish, what) {
    if (busy) return say("A completion is being written. Stop it first.", true);
    line.say(wish, { ...what, pieces: paper.pieces() });
  }

  function stop() {
    line.say("stop");
    if (busy) say("stopping …");
  }

  function keys(event) {
    const modified = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
    if (modified && key === "enter") act("complete");
    else if (key === "escape" && busy) stop();
    else if (modified && event.altKey && (key === "z" || event.code === "KeyZ")) buttons.undo.click();
    else if (modified && event.altKey && (key === "y" || event.code === "KeyY")) buttons.redo.click();
    else if (event.altKey && (key === "arrowup" || key === "arrowdown") && tokens.nearestFork()) {
      see("sibling", { at: tokens.nearestFork()[0], step: key === "arrowup" ? -1 : 1 });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // A button that goes off would take the keyboard with it.
  function refresh() {
    const held = document.activeElement;
    switchAll();
    if (held?.disabled && root.contains(held)) (busy ? buttons.stop : buttons.complete).focus();
  }

  function switchAll() {
    const any = paper.pieces().length > 0, changed = paper.text() !== joined(shown.pieces);
    buttons.complete.disabled = busy || !any;
    buttons.complete.textContent = shown.code && !changed ? "Continue" : "Complete";
    buttons.stop.disabled = !busy;
    buttons.regenerate.disabled = busy || !shown.code || changed;
    buttons.undo.disabled = busy || !(shown.undo);
    buttons.redo.disabled = busy || !shown.redo;
    paper.lock(busy);
    tokenBox.firstChild.textContent = shown.code && changed ? "Tokens (of the text before your changes)" : "Tokens";
  }

  // Speak what has come since the last time, by whole sentences.
  function speak(text, whole) {
    const fresh = text.startsWith(spoken) ? text.slice(spoken.length) : text;
    const end = whole ? fresh.length : Math.max(...[". ", "! ", "? ", "\n"].map((sign) => fresh.lastIndexOf(sign) + 1));
    if (end <= 0) return;
    heard.append(make("p", {}, visible(fresh.slice(0, end))));
    while (heard.childElementCount > 20) heard.firstChild.remove();
    spoken = text.slice(0, text.length - fresh.length + end);
  }

  function drawCards(several, live) {
    cards.replaceChildren(...several.map((card, number) =>
      make("div", { className: "jcp-card" },
        make("div", { className: "jcp-card-head" }, `${number + 1}`,
          card.mean === null || card.mean === undefined ? "" : ` · mean logprob ${card.mean.toFixed(2)}`,
          live ? null : make("button", { type: "button", "aria-label": `Use continuation ${number + 1}`,
            "aria-pressed": String(Boolean(card.taken)), disabled: Boolean(card.taken),
            onclick: () => see("take", { number }) }, card.taken ? "Used" : "Use")),
        make("div", { className: "jcp-card-text" }, visible(card.text)))));
  }

  function drawRecent(items) {
    recent.replaceChildren(...items.map((item) => make("li", {},
      make("button", { type: "button", className: "jcp-old", onclick: () => see("recall", { number: item.number }) },
        make("span", { className: "jcp-quiet" }, visible(item.prompt).replaceAll("\n", "↵")), " ",
        make("b", {}, visible(item.text).replaceAll("\n", "↵")), " ",
        make("span", { className: "jcp-quiet" }, ` ${item.how}${item.depth ? ` · branch, ${item.depth} deep` : ""}`)))));
    recentBox.firstChild.textContent = `History (${items.length})`;
  }

  let texts = [];
  return {
    root,
    shown(snapshot) {
      clearTimeout(unanswered);
      shown = snapshot;
      const was = busy;
      busy = Boolean(snapshot.busy);
      if (was && !busy) speak(joined(snapshot.pieces?.slice(-1)), true);
      spoken = "";
      if (!busy || !texts.length) paper.set(snapshot.pieces || []);
      settings.set(snapshot.settings || {}, snapshot.models || []);
      tokens.draw(snapshot.tokens || {});
      drawCards(snapshot.cards || [], false);
      drawRecent(snapshot.recent || []);
      code.textContent = snapshot.code || "";
      codeBox.hidden = !snapshot.code;
      tokenBox.hidden = !snapshot.code;
      texts = [];
      if (!busy) say(snapshot.footer || "");
      refresh();
    },
    begun() {
      clearTimeout(unanswered);
      busy = true;
      texts = [];
      spoken = "";
      say("…");
      refresh();
    },
    waiting({ text }) {
      say(text || "…");
    },
    text(message) {
      texts = message.texts;
      const before = joined(shown.pieces?.slice(-1));
      if (!spoken && texts[0].startsWith(before)) spoken = before;
      paper.grow(message.before, texts[0]);
      say("writing");
      if (texts.length > 1) drawCards(texts.map((one) => ({ text: one })), true);
    },
    more({ texts: added }) {
      if (texts.length !== added.length) return line.say("again");
      texts = texts.map((one, place) => one + added[place]);
      paper.add(added[0]);
      speak(texts[0], false);
      if (texts.length > 1) drawCards(texts.map((one) => ({ text: one })), true);
    },
    refused({ text }) {
      clearTimeout(unanswered);
      say(text, true);
    },
    weighed: tokens.weighed,
  };
}

const joined = (pieces) => (pieces || []).map(([, text]) => text).join("");

// The text that is edited: a field over a copy of its text that carries the tint.
function paperPart(onchange, onkeys) {
  const copy = make("div", { className: "jcp-copy", "aria-hidden": "true" });
  const field = make("textarea", {
    className: "jcp-field", "aria-label": "Prompt and completion", spellcheck: false,
    placeholder: "Write a beginning here; Ctrl+Enter writes on.",
  });
  const root = make("div", { className: "jcp-paper" }, copy, field);
  let pieces = [];

  field.addEventListener("input", () => {
    pieces = edited(pieces, unshield(field.value), unshield(field.value.slice(0, field.selectionEnd)).length);
    tint();
    onchange();
  });

  function tint() {
    copy.replaceChildren(...pieces.map(([who, text]) => make("span", { className: `jcp-by-${who}` }, shield(text))), "\u200b");
  }

  function set(given) {
    pieces = given.filter(([, text]) => text);
    const value = shield(joined(pieces)), at = field.selectionStart;
    if (field.value !== value) {
      field.value = value;
      if (document.activeElement === field) field.setSelectionRange(Math.min(at, value.length), Math.min(at, value.length));
    }
    tint();
  }

  return {
    root,
    set,
    lock: (busy) => (field.readOnly = busy),
    pieces: () => pieces,
    text: () => joined(pieces),
    grow: (before, text) => set([...before, ["model", text]]),
    add(text) {
      const last = pieces.at(-1);
      if (last && last[0] === "model") set([...pieces.slice(0, -1), ["model", last[1] + text]]);
      else set([...pieces, ["model", text]]);
    },
  };
}

// Pieces of a text that has become `text`: what was put in, which ends at the caret, is the user's.
function edited(pieces, text, caret = text.length) {
  const old = joined(pieces), here = kept(old, text, text.length - caret), any = kept(old, text, text.length);
  const [head, tail] = here[0] + here[1] < any[0] + any[1] ? any : here;
  const made = [...part(pieces, 0, head), ["you", text.slice(head, text.length - tail)], ...part(pieces, old.length - tail, old.length)];
  return made.filter(([, one]) => one).reduce((all, [who, one]) => {
    if (all.length && all.at(-1)[0] === who) all.at(-1)[1] += one;
    else all.push([who, one]);
    return all;
  }, []);
}

// How much at its head and, up to `most`, at its tail a text has kept of the old one, in whole characters.
function kept(old, text, most) {
  const least = Math.min(old.length, text.length);
  let head = 0, tail = 0;
  while (tail < Math.min(least, most) && old.at(-1 - tail) === text.at(-1 - tail)) tail += 1;
  if (tail && /[\udc00-\udfff]/.test(old[old.length - tail])) tail -= 1;
  while (head < least - tail && old[head] === text[head]) head += 1;
  if (head && /[\ud800-\udbff]/.test(old[head - 1])) head -= 1;
  return [head, tail];
}

function part(pieces, from, to) {
  let at = 0;
  return pieces.map(([who, text]) => {
    const cut = text.slice(Math.max(0, from - at), Math.max(0, to - at));
    at += text.length;
    return [who, cut];
  });
}

// The settings, a control for each option that the kernel declares.
function settingsPart(controls) {
  const fields = new Map(), changed = new Set(); // names of controls that were set since the kernel last heard of them
  const names = make("datalist", { id: `jcp-models-${Math.random().toString(36).slice(2)}` });
  const root = make("div", { className: "jcp-settings" }, names);
  for (const control of controls) {
    const id = `jcp-${control.name}-${Math.random().toString(36).slice(2)}`;
    const field = fieldOf(control, id);
    fields.set(control.name, { control, field });
    field.addEventListener("input", () => changed.add(control.name));
    const label = make("label", { htmlFor: id, title: control.help }, control.name.replaceAll("_", " "));
    root.append(make("div", { className: "jcp-control", title: control.help }, label, field));
  }

  function fieldOf({ name, kind, low, high, help }, id) {
    if (kind === "switch") return make("input", { type: "checkbox", id });
    if (kind === "texts") return make("input", { type: "text", id, placeholder: "several with | between", "aria-description": help });
    if (kind === "text") {
      const field = make("input", { type: "text", id, "aria-description": help });
      if (name === "model") field.setAttribute("list", names.id);
      return field;
    }
    return make("input", {
      type: "number", id, min: low ?? "", max: high ?? "", step: kind === "whole" ? 1 : "any", "aria-description": help,
    });
  }

  // Several texts in one field: divided by |, with \n, \t and \r for what a field cannot hold.
  const signs = { n: "\n", t: "\t", r: "\r" }, lettersOf = new Map(Object.entries(signs).map(([letter, sign]) => [sign, letter]));
  const escaped = (text) => text.replace(/[\\|\n\t\r]/g, (one) => `\\${lettersOf.get(one) ?? one}`);
  const stops = (text) => (text.match(/(\\.|[^|\\]|\\$)+/gs) || []).map((one) =>
    one.replace(/\\(.)/gs, (_, letter) => signs[letter] ?? letter));

  return {
    root,
    set(values, models) {
      names.replaceChildren(...models.map((name) => make("option", { value: name })));
      for (const [name, { control, field }] of fields) {
        if (!(name in values) || changed.has(name) || document.activeElement === field) continue;
        if (control.kind === "switch") field.checked = Boolean(values[name]);
        else if (control.kind === "texts") field.value = values[name].map(escaped).join("|");
        else field.value = values[name] ?? "";
      }
    },
    values() {
      const found = {};
      changed.clear();
      for (const [name, { control, field }] of fields) {
        if (control.kind === "switch") found[name] = field.checked;
        else if (control.kind === "texts") found[name] = stops(field.value);
        else if (control.kind === "text") found[name] = field.value.trim();
        else if (field.value !== "") found[name] = Number(field.value);
        if (found[name] === "") delete found[name];
      }
      return found;
    },
  };
}

const panelView = viewOf((el, line) => {
  const part = panelPart(line, line.model.get("controls").controls);
  el.append(part.root);
  return part;
});
