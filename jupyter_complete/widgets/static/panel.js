// The completion panel: a text that user and model write in turn, with the model's part tinted.

const PATIENCE = 4000; // milliseconds that the kernel is given to answer

function panelPart(line, controls) {
  const status = make("span", { className: "jcp-status", role: "status", "aria-live": "polite" });
  const heard = make("div", { className: "jc-hidden", role: "log", "aria-live": "polite", "aria-label": "Text as it is written" });
  const text = line.document;
  const editor = editorPart(() => {
    text.typed(editor.pieces());
    for (const view of line.views) view.typed?.(editor);
    refresh();
  }, label);
  const settings = settingsPart(controls);
  const tokens = tokensPart({
    branch: (at, token) => act("branch", { at, token }),
    sibling: (at, step) => see("sibling", { at, step }),
    weigh: (part, at) => line.say("weigh", { part, at }),
  });
  const suggestion = suggestionPart({ accept: () => see("accept"), refuse: () => see("refuse") });
  const count = span("jcp-count"), versions = versionsPart((number) => see("restore", { number }));
  const marks = make("input", { type: "checkbox", checked: true, onchange: () => root.classList.toggle("jcp-plain", !marks.checked) });
  const foot = div("jcp-foot", count, make("label", { title: "Underline what the model wrote" }, marks, " mark the model's text"));
  const cards = div("jcp-cards");
  const recent = make("ol", { className: "jcp-recent" });
  const code = make("pre", { className: "jcp-code", tabIndex: 0 });
  const buttons = {
    complete: button("Complete", "Write on from the caret, or from the end of the selection (Ctrl+Enter)", () => act("complete")),
    stop: button("Stop", "End here and keep the text (Esc)", stop),
    regenerate: button("Regenerate", "Write the model's last text anew, with another seed", () => act("regenerate")),
    rewrite: button("Rewrite", "Suggest another wording of the selection, or of the paragraph at the caret", () => act("rewrite")),
    undo: button("Undo", "The text as it was before (Ctrl+Z in the text, Ctrl+Alt+Z)", () => turn(true)),
    redo: button("Redo", "The text as it was after (Ctrl+Shift+Z in the text, Ctrl+Alt+Y)", () => turn(false)),
  };
  const exports = exportPart({
    text: () => editor.text(),
    name: line.model.get("document")?.name,
    insert: (source) => newCell(line.model.widget_manager, root, source, "markdown"),
    anew: () => see("anew"),
    say,
  });
  const tokenBox = box("Tokens", tokens.root), codeBox = box("As code", codeTools(), code);
  const recentBox = box("History of the notebook", recent);
  const root = make("div", { className: "jc-view jcp", role: "group", "aria-label": "Completion panel", onkeydown: keys },
    make("div", { className: "jcp-bar", role: "toolbar", "aria-label": "Completion", onclick: toText }, ...Object.values(buttons), suggestion.root, status),
    editor.root, foot, heard, cards, box("Save, copy, export", exports.root), box("Settings", settings.root),
    tokenBox, versions.root, recentBox, codeBox);
  const notice = reopenNotice(line, root);
  root.prepend(notice.root);
  let shown = {}, busy = false, gone = false, asked = false, late = false, ahead = "", spoken = "", unanswered = 0;

  // After a click the caret is in the text again; by keyboard the focus stays where it is.
  function toText({ detail }) {
    if (detail > 0) editor.focus();
  }

  function box(name, ...parts) {
    return make("details", { className: "jcp-box" }, make("summary", {}, name), ...parts);
  }

  function codeTools() {
    return div("jcp-export",
      button("Copy", "Copy the code", () => copy("")),
      button("Into a new cell", "Insert a cell with this code below; it is not run", insert));
  }

  async function copy(why) {
    try {
      await navigator.clipboard.writeText(shown.code || "");
      say(`${why}The code is copied.`);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      say(`${why}The code is selected: copy it with Ctrl+C.`);
    }
  }

  function insert() {
    if (newCell(line.model.widget_manager, root, shown.code || "")) say("The code is in a new cell below.");
    else copy("This front end takes no new cell from a panel. ");
  }

  function say(text, wrong = false) {
    status.textContent = text;
    status.classList.toggle("jcp-wrong", wrong);
  }

  function act(wish, what = {}) {
    if (wish === "complete") {
      const { before, chosen, after, end } = editor.places();
      what = { pieces: end ? editor.pieces() : [...before, ...chosen], ...(chosen.length && { chosen }), ...(!end && { after }) };
    } else if (wish === "rewrite") {
      const { before, chosen, after } = editor.places(true);
      what = { pieces: before, chosen, after };
    }
    if (gone) return say("There is no kernel that could do this.", true);
    if (see(wish, { ...what, settings: settings.values() })) say("asking the kernel …");
  }

  // Show another text; what was typed into this one can be had again by Undo.
  function see(wish, what) {
    if (busy) return say("A completion is being written. Stop it first.", true);
    if (asked) return false;
    const pieces = editor.pieces();
    if (!line.say(wish, { pieces, ...what, newest: text.told(pieces) })) return false;
    asked = true;
    clearTimeout(unanswered);
    unanswered = setTimeout(() => {
      answered();
      refresh();
      say("No answer yet.", true);
      line.alive.check();
    }, PATIENCE);
    unanswered.unref?.();
    refresh();
    return true;
  }

  // The kernel has answered, or will not: what was typed while it was asked goes in, behind a text that is being written.
  function answered() {
    clearTimeout(unanswered);
    asked = false;
    if (busy || !ahead) return;
    const typed = ahead;
    ahead = "";
    editor.insert(typed);
  }

  // The same for what is put in without a key: by an input method, from the clipboard, by a drop. A line break is put in
  // here in any case: JupyterLab takes it from every field of a cell, for the sake of the keys that run one.
  let breaks = false;
  editor.root.addEventListener("beforeinput", (event) => {
    const isBreak = event.inputType === "insertLineBreak";
    if (busy || breaks || !event.cancelable || !(asked || isBreak)) return;
    event.preventDefault();
    if (asked) return void (ahead += isBreak ? "\n" : event.data ?? event.dataTransfer?.getData("text/plain") ?? "");
    breaks = true;
    if (!document.execCommand?.("insertText", false, "\n")) editor.insert("\n");
    breaks = false;
  });

  // A key that cannot change the text now waits until it can, or is refused with a sign.
  function locked(event) {
    if (!(busy || asked) || !editor.holds(event.target) || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key.length > 1 && !["Enter", "Backspace", "Delete"].includes(event.key)) return false;
    if (busy) say("Writing: Esc stops it, then type on.", true);
    else if (event.key.length === 1 || event.key === "Enter") ahead += event.key === "Enter" ? "\n" : event.key;
    return true;
  }

  // One step back or on: of what was typed since the kernel's text, then of the texts that the kernel remembers.
  function turn(back) {
    if (busy || asked) return;
    if (editor.can(back)) return editor.turn(back);
    if (back ? shown.undo : shown.redo && !changed()) see(back ? "undo" : "redo");
  }

  // A text that goes on from an older one than was typed since is not shown, and need not be written.
  function turnAside() {
    if (text.isAside && !late) {
      line.say("stop");
      say("The text was changed before it was gone on from: that is stopped.");
    }
    late = text.isAside;
  }

  const changed = () => editor.text() !== joined(shown.pieces);

  function stop() {
    line.say("stop");
    if (busy) say("stopping …");
  }

  function keys(event) {
    const modified = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
    const letter = /^[a-z]$/.test(key) ? key : event.code?.slice(-1).toLowerCase(); // Alt makes signs of letters
    const turns = modified && (event.altKey || editor.holds(event.target));
    const suggested = suggests() && editor.holds(event.target) && !modified && !event.altKey && !event.shiftKey;
    if (modified && key === "enter") act("complete");
    else if (suggested && key === "enter") see("accept");
    else if (suggested && key === "escape") see("refuse");
    else if (key === "escape" && busy) stop();
    else if (locked(event)) event.preventDefault();
    else if (turns && letter === "z") turn(!event.shiftKey);
    else if (turns && letter === "y") turn(false);
    else if (event.altKey && (key === "arrowup" || key === "arrowdown") && tokens.nearestFork()) {
      see("sibling", { at: tokens.nearestFork()[0], step: key === "arrowup" ? -1 : 1 });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  const suggests = () => Boolean(shown.suggested) && !busy && !changed();

  // A button that goes off would take the keyboard with it.
  function refresh() {
    const held = document.activeElement;
    switchAll();
    if (held?.disabled && root.contains(held)) busy ? buttons.stop.focus() : editor.focus();
  }

  function switchAll() {
    const any = editor.pieces().length > 0, differs = changed();
    buttons.complete.disabled = gone || busy || !any;
    buttons.rewrite.disabled = gone || busy || !any;
    suggestion.show(suggests() ? shown : null);
    label();
    tally();
    buttons.stop.disabled = !busy;
    buttons.regenerate.disabled = gone || busy || !shown.code || differs;
    buttons.undo.disabled = busy || !((shown.undo && !gone) || editor.can(true));
    buttons.redo.disabled = busy || !(editor.can(false) || (shown.redo && !differs && !gone));
    exports.fresh.disabled = gone || busy || editor.text() === text.prompt;
    for (const part of [suggestion.root, cards, settings.root, tokenBox, versions.root, recentBox]) part.inert = gone;
    editor.lock(busy);
    tokenBox.firstChild.textContent = shown.code && differs ? "Tokens (of the text before your changes)" : "Tokens";
  }

  // What Ctrl+Enter does where the caret stands.
  function label() {
    const { end, from } = editor.caret(), goesOn = shown.code && !changed() && from === joined(shown.pieces?.slice(0, shown.written ?? undefined)).length;
    buttons.complete.textContent = goesOn ? "Continue" : end ? "Complete" : "Complete here";
  }

  function tally() {
    const all = editor.text(), words = all.match(/\S+/g)?.length ?? 0, tokens = changed() ? null : shown.total;
    const named = (many, noun) => `${many.toLocaleString("en")} ${noun}${many === 1 ? "" : "s"}`;
    count.textContent = [named(words, "word"), named([...all].length, "character"), ...(tokens ? [named(tokens, "token")] : [])].join(" · ");
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
      div("jcp-card",
        div("jcp-card-head", `${number + 1}`,
          card.mean === null || card.mean === undefined ? "" : ` · mean logprob ${card.mean.toFixed(2)}`,
          live ? null : button(card.taken ? "Used" : "Use", null, () => see("take", { number }), {
            "aria-label": `Use continuation ${number + 1}`, "aria-pressed": String(Boolean(card.taken)), disabled: Boolean(card.taken),
          })),
        div("jcp-card-text", visible(card.text)))));
  }

  const brief = (text) => visible(text).replaceAll("\n", "↵");

  function drawRecent(items) {
    recent.replaceChildren(...items.map(({ number, prompt, text, how, depth }) => make("li", {},
      make("button", { type: "button", className: "jcp-old", onclick: () => see("recall", { number }) },
        span("jcp-quiet", brief(prompt)), " ", make("b", {}, brief(text)), " ",
        span("jcp-quiet", ` ${how}${depth ? ` · branch, ${depth} deep` : ""}`)))));
    recentBox.firstChild.textContent = `History of the notebook (${items.length})`;
  }

  let texts = [];
  return {
    root,
    shown(snapshot) {
      shown = snapshot;
      const was = busy;
      busy = Boolean(snapshot.busy);
      const { written } = snapshot;
      if (was && !busy) speak(joined(snapshot.pieces?.slice(written ? written - 1 : -1, written ?? undefined)), true);
      spoken = "";
      const theirs = text.hear(snapshot) || !editor.text();
      if (theirs) editor.set(text.pieces);
      turnAside();
      if (theirs && was && !busy && written) editor.end(snapshot.caret ?? written);
      settings.set(snapshot.settings || {}, snapshot.known || {}, snapshot.lacks || {});
      tokens.draw(snapshot.tokens || {});
      drawCards(snapshot.cards || [], false);
      drawRecent(snapshot.recent || []);
      versions.draw(snapshot.versions || []);
      code.textContent = snapshot.code || "";
      codeBox.hidden = !snapshot.code;
      tokenBox.hidden = !snapshot.code;
      texts = [];
      if (!busy) say(snapshot.footer || "");
      answered();
      refresh();
    },
    begun() {
      busy = true;
      texts = [];
      spoken = "";
      text.begin();
      say("…");
      turnAside();
      answered();
      refresh();
      editor.begin();
    },
    waiting({ text: what }) {
      say(what || "…");
    },
    // Without its kernel the panel goes on as an editor: what was being written stays as far as it had come.
    alive({ state, silent }) {
      notice.alive({ state, silent });
      if (state !== "gone" || gone) return;
      gone = true;
      const broken = busy || asked;
      busy = false;
      answered();
      say(broken ? "The completion broke off with the kernel; what had come of it is kept." : "");
      refresh();
    },
    whole: text.wholly,
    typed(other) {
      if (other !== editor) editor.set(text.pieces);
    },
    gone: text.flush,
    text(message) {
      if (late) return;
      texts = message.texts;
      const before = joined(shown.pieces?.slice(-1));
      if (!spoken && texts[0].startsWith(before)) spoken = before;
      editor.write(message.before, texts[0], message.after);
      text.grown(editor.pieces());
      say("writing");
      tally();
      if (texts.length > 1) drawCards(texts.map((one) => ({ text: one })), true);
    },
    more({ texts: added }) {
      if (late) return;
      if (texts.length !== added.length) return line.say("again");
      texts = texts.map((one, place) => one + added[place]);
      editor.add(added[0]);
      text.grown(editor.pieces());
      speak(texts[0], false);
      tally();
      if (texts.length > 1) drawCards(texts.map((one) => ({ text: one })), true);
    },
    refused({ text: why }) {
      answered();
      refresh();
      say(why, true);
    },
    weighed: tokens.weighed,
  };
}

const panelView = viewOf((el, line) => {
  const part = panelPart(line, line.model.get("controls").controls);
  el.append(part.root);
  return part;
}, (line) => (line.document = documentOf(line)));
