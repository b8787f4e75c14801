// The text that is edited: a field over a copy of its text that carries the marks, and the way back through what was typed.

const STEPS = 200; // that can be gone back; what the kernel was told of is one step of its own

function editorPart(onchange, oncaret = () => {}) {
  const copy = copyPart();
  const field = make("textarea", {
    className: "jcp-field", "aria-label": "Prompt and completion", spellcheck: true,
    placeholder: "Write a beginning here; Ctrl+Enter writes on from the caret.",
  });
  const root = div("jcp-paper", copy.root, field);
  const follow = followPart(root, () => copy.rect(grown));
  const steps = stepsPart(field);
  let pieces = [], head = [], tail = [], grown = 0; // what stands before and after the text that is written, and its end

  field.addEventListener("input", (event) => {
    steps.take(event, pieces);
    pieces = edited(pieces, unshield(field.value), placeOf(field.selectionEnd));
    copy.draw(pieces);
    onchange();
  });
  for (const kind of ["keyup", "pointerup", "focus", "selectionchange"]) field.addEventListener(kind, () => oncaret());

  const placeOf = (at) => unshield(field.value.slice(0, at)).length;
  const standing = (place) => shield(joined(pieces).slice(0, place)).length;

  function chosen(paragraph, text) {
    const from = placeOf(field.selectionStart), to = placeOf(field.selectionEnd);
    if (from < to || !paragraph) return [from, to];
    const next = text.indexOf("\n\n", from);
    return [text.slice(0, from).lastIndexOf("\n\n") + 1, next < 0 ? text.length : next];
  }

  function put(given) {
    pieces = given.filter(([, text]) => text);
    const value = shield(joined(pieces)), at = field.selectionStart, ends = at === field.value.length;
    if (field.value !== value) {
      field.value = value;
      const caret = ends ? value.length : Math.min(at, value.length);
      field.setSelectionRange(caret, caret);
    }
    copy.draw(pieces);
  }

  // The text as it was before the last step of typing, or after the next one, with the caret where it changed.
  function turn(back) {
    const before = field.value;
    put(steps.turn(back, pieces));
    const at = field.value.length - kept(before, field.value, before.length)[1];
    field.setSelectionRange(at, at);
    onchange();
  }

  // Another text. The same one again, by whoever's hand, leaves the way back as it is.
  function set(given) {
    if (joined(given) !== joined(pieces)) steps.forget();
    put(given);
  }

  function grow(text) {
    set([...head, ["model", text], ...tail]);
    grown = joined(head).length + text.length;
    follow.keep();
  }

  return {
    root,
    set,
    turn,
    // Characters as if typed at the caret.
    insert(text) {
      field.setRangeText(shield(text), field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new InputEvent("input", { inputType: "insertText", data: text, bubbles: true }));
    },
    focus: () => field.focus({ preventScroll: true }),
    can: steps.can,
    holds: (node) => node === field,
    lock: (busy) => (field.readOnly = busy),
    pieces: () => pieces,
    text: () => joined(pieces),
    // The pieces before the selection, in it and after it, and whether it ends with the text. Of a caret none are in it,
    // or with `paragraph` those of the paragraph that it stands in.
    places(paragraph = false) {
      const text = joined(pieces), [from, to] = chosen(paragraph, text), cut = (one, other) => part(pieces, one, other).filter(([, some]) => some);
      return { before: cut(0, from), chosen: cut(from, to), after: cut(to, text.length), end: to === text.length };
    },
    caret: () => ({ from: placeOf(field.selectionEnd), end: field.selectionEnd === field.value.length }),
    // A text is written between others.
    begin: follow.begin,
    write(before, text, after) {
      [head, tail] = [before, after ?? []];
      grow(text);
    },
    add(text) {
      const own = joined(pieces).slice(joined(head).length, joined(pieces).length - joined(tail).length);
      grow(own + text);
    },
    // The caret behind so many of the pieces.
    end(many) {
      const at = standing(joined(pieces.slice(0, many)).length);
      field.setSelectionRange(at, at);
      grown = placeOf(at);
      follow.keep();
    },
  };
}
// What was typed since the kernel last told a text, a word or a deletion at a time. The field's own steps end where a
// program sets its text.
function stepsPart(field) {
  const runs = ["insertText", "insertCompositionText", "deleteContentBackward", "deleteContentForward"];
  let past = [], next = [], kind = "", caret = -1, goesOn = false;

  field.addEventListener("beforeinput", (event) => {
    goesOn = event.isComposing || (field.selectionStart === caret && field.selectionEnd === caret);
  });

  return {
    take({ inputType, data }, pieces) {
      if (!(goesOn && inputType === kind && runs.includes(kind)) || /\s/.test(data ?? "")) past = [...past, pieces].slice(-STEPS);
      [next, kind, caret] = [[], inputType, field.selectionEnd];
    },
    turn(back, pieces) {
      kind = "";
      (back ? next : past).push(pieces);
      return (back ? past : next).pop();
    },
    can: (back) => (back ? past : next).length > 0,
    forget: () => ([past, next, kind] = [[], [], ""]),
  };
}

const joined = (pieces) => (pieces || []).map(([, text]) => text).join("");

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
