// The text of a panel, which the notebook owns: every change is stored within a second in the metadata of the cell that
// shows it, and in the output beside the panel. The kernel gets it as a splice. Of two texts the one with the higher
// revision is the newer.

const PAUSE = 300, LONGEST = 1000; // milliseconds without a key, or since the first one, after which it is stored

function documentOf(line) {
  const { model } = line, context = notebookOf(model), id = model.get("_urgent");
  const about = () => model.get("document") ?? {};
  const name = about().name ?? "", journal = journalOf(context, name || about().cell);
  let now = { pieces: [], revision: 0 }, held = "", began = 0, writing = false, timer = 0, first = 0, stored = null, seen = [];

  // The newest of what stands here and what the kernel has; whether that is the kernel's.
  function hear(snapshot) {
    const settled = { pieces: snapshot.pieces ?? [], revision: snapshot.revision ?? now.revision };
    const draft = [snapshot.draft, model.get("draft")].find((one) => one?.revision > settled.revision);
    const theirs = draft && !snapshot.busy ? draft : settled;
    writing = Boolean(snapshot.busy);
    held = joined(theirs.pieces);
    if (theirs.revision < now.revision) {
      soon();
      return false;
    }
    set(theirs.pieces, theirs.revision);
    return true;
  }

  function set(pieces, revision) {
    now = { pieces, revision };
    soon();
  }

  // What was typed, or what has come of a text that is being written.
  const typed = (pieces) => set(pieces, now.revision + 1);
  const grown = (pieces) => set(pieces, began + 1);

  function soon() {
    const at = Date.now();
    first ||= at;
    clearTimeout(timer);
    timer = setTimeout(flush, Math.max(0, Math.min(PAUSE, first + LONGEST - at)));
    timer.unref?.();
  }

  function flush() {
    clearTimeout(timer);
    first = 0;
    store();
    if (!writing) send();
  }

  function send() {
    const text = joined(now.pieces);
    if (text === held) return;
    const [head, tail] = kept(held, text, text.length);
    const put = part(now.pieces, head, text.length - tail).filter(([, one]) => one);
    line.say("keep", { revision: now.revision, at: head, gone: held.length - head - tail, put, size: text.length });
    held = text;
  }

  function store() {
    if (!context || now === stored || (now.revision === 0 && !entries().length)) return;
    if (stored?.revision === now.revision && joined(stored.pieces) === joined(now.pieces)) return;
    stored = now;
    journal.write({ ...now, cell: about().cell });
    for (const cell of homes()) {
      const all = cell.getMetadata(OURS) ?? {};
      const there = all.documents?.[name]?.revision ?? 0;
      if (there > now.revision) {
        // a widget of an earlier kernel, which no cell shows any more, has nothing newer to store
        if (!placesOf(context, id).length) continue;
        stored = now = { ...now, revision: there + 1 };
      }
      cell.setMetadata(OURS, { ...all, documents: { ...all.documents, [name]: now } });
      copyInto(cell, name, joined(now.pieces));
    }
  }

  // The cells that show this document, or did, or have its id.
  function homes() {
    const there = cellsOf(context), shows = new Set(placesOf(context, id).map(({ cell }) => cell));
    if (shows.size) seen = [...shows];
    const found = there.filter((cell) => seen.includes(cell));
    return found.length ? found : there.filter((cell) => !name && cell.id === about().cell);
  }

  // What the notebook and the journal have of it.
  function entries() {
    if (!context) return [];
    const own = cellsOf(context).filter((cell) => name || cell.id === about().cell);
    const last = journal.read();
    return [...own.map((cell) => cell.getMetadata(OURS)?.documents?.[name]), last?.cell === about().cell ? last : null]
      .filter((one) => Array.isArray(one?.pieces));
  }

  // A new kernel, or a page that was loaded again: the newer of the kernel's text and the notebook's stands.
  function takeUp() {
    hear(line.shown);
    const [newest] = entries().sort((one, other) => other.revision - one.revision);
    if (!line.shown.busy && newest?.revision > now.revision) {
      set(newest.pieces, newest.revision);
      line.say("take_up", { pieces: newest.pieces, revision: newest.revision });
      held = joined(newest.pieces);
    } else line.say("take_up", { pieces: null });
  }

  context?.saveState?.connect((_, state) => {
    if (state === "started") flush();
    else if (state === "completed" && stored === now) journal.forget();
  });
  for (const event of ["pagehide", "blur"]) window.addEventListener(event, flush);
  document.addEventListener("visibilitychange", flush);
  takeUp();

  return {
    hear,
    typed,
    grown,
    flush,
    begin: () => ([began, writing] = [now.revision, true]),
    wholly() {
      typed(now.pieces);
      line.say("take_up", { pieces: now.pieces, revision: now.revision });
    },
    told(pieces) {
      held = joined(pieces);
      return now.revision;
    },
    get pieces() { return now.pieces; },
    get isStored() { return Boolean(context); },
    get prompt() { return about().prompt ?? ""; },
  };
}
