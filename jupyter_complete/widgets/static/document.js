// The text of a panel, which the notebook owns: every change is stored within a second in the metadata of the cell that
// shows it, and in the output beside the panel. The kernel gets it as a splice. Of two texts the one with the higher
// revision is the newer.

const PAUSE = 300, LONGEST = 1000; // milliseconds without a key, or since the first one, after which it is stored

function documentOf(line) {
  const { model } = line, context = notebookOf(model), id = model.get("_urgent");
  const about = () => model.get("document") ?? {};
  const name = about().name ?? "", journal = journalOf(context, name || about().cell);
  let now = { pieces: [], revision: 0 }, mine = false, timer = 0, first = 0, stored = null, saving = null, seen = [];
  let past = [], pastOf = []; // earlier versions of the text, newest first, and the pieces that the first is a splice of
  let held = { text: "", revision: 0 }, began = 0, writing = false, asked = null, aside = false;

  // The newest of what stands here and what the kernel has; whether that is the kernel's.
  function hear(snapshot) {
    if (snapshot.kept) [past, pastOf] = [snapshot.kept, snapshot.pieces ?? []];
    const settled = { pieces: snapshot.pieces ?? [], revision: snapshot.revision ?? now.revision };
    const draft = [snapshot.draft, model.get("draft")].find((one) => one?.revision > settled.revision);
    const theirs = draft && !snapshot.busy ? draft : settled;
    // a snapshot that was made before our last splice came is older than what the kernel has
    if (writing || snapshot.busy || theirs.revision >= held.revision) hold(theirs.pieces, theirs.revision);
    if (snapshot.revision !== undefined && stands(theirs)) now = { ...now, revision: Math.max(now.revision, theirs.revision + 1) };
    writing = Boolean(snapshot.busy);
    aside = writing && (aside || (mine && now.revision > theirs.revision));
    if (writing) began = theirs.revision;
    else asked = null;
    if (theirs.revision < now.revision) {
      soon();
      return false;
    }
    set(theirs.pieces, theirs.revision);
    return true;
  }

  const hold = (pieces, revision) => (held = { text: joined(pieces), revision });

  // Whether the text was typed on since the kernel was asked, which has not answered yet.
  const typedOn = () => mine && asked !== null && now.revision > asked;

  // Whether what was typed here stands against a text of the kernel that is as new, or goes on from an older one.
  const stands = ({ pieces, revision }) => aside || typedOn() || (mine && revision === now.revision && joined(pieces) !== joined(now.pieces));

  function set(pieces, revision, here = false) {
    now = { pieces, revision };
    mine = here;
    soon();
  }

  // What was typed, or what has come of a text that is being written.
  const typed = (pieces) => set(pieces, now.revision + 1, true);
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
    if (text === held.text) return;
    const [head, tail] = kept(held.text, text, text.length);
    const put = part(now.pieces, head, text.length - tail).filter(([, one]) => one);
    line.say("keep", { revision: now.revision, at: head, gone: held.text.length - head - tail, put, size: text.length });
    hold(now.pieces, now.revision);
  }

  function store() {
    if (!context || now === stored || (now.revision === 0 && !entries().length)) return;
    if (stored?.revision === now.revision && joined(stored.pieces) === joined(now.pieces)) return;
    stored = now;
    journal.write({ ...now, ...versions(), cell: about().cell });
    for (const cell of homes()) {
      const all = cell.getMetadata(OURS) ?? {};
      const held = all.documents?.[name], there = held?.revision ?? 0;
      if (there === now.revision && joined(held?.pieces) === joined(now.pieces)) continue;
      if (there > now.revision) {
        // a widget of an earlier kernel, which no cell shows any more, has nothing newer to store
        if (!placesOf(context, id).length) continue;
        stored = now = { ...now, revision: there + 1 };
      }
      cell.setMetadata(OURS, { ...all, documents: { ...all.documents, [name]: { ...now, ...versions() } } });
      copyInto(cell, name, joined(now.pieces));
    }
  }

  // The earlier versions, the first as a splice of the text of now, and each other one of the one before it.
  function versions() {
    if (!past.length) return {};
    const [{ time, at, gone, put }, ...older] = past, text = joined(now.pieces);
    const newest = [...part(pastOf, 0, at), ...put, ...part(pastOf, at + gone, joined(pastOf).length)], length = joined(newest).length;
    const [head, tail] = kept(text, joined(newest), length);
    const first = { time, at: head, gone: text.length - head - tail, put: part(newest, head, length - tail).filter(([, one]) => one) };
    return { versions: [first, ...older] };
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
    const older = areSplices(newest?.versions) && !line.shown.kept ? { versions: newest.versions } : {};
    if (older.versions) [past, pastOf] = [older.versions, newest.pieces];
    if (!line.shown.busy && newest?.revision > now.revision) {
      set(newest.pieces, newest.revision);
      line.say("take_up", { pieces: newest.pieces, revision: newest.revision, ...older });
      hold(newest.pieces, newest.revision);
    } else line.say("take_up", { pieces: null });
  }

  context?.saveState?.connect((_, state) => {
    if (state === "started") {
      flush();
      saving = now;
    } else if (state === "completed" && saving === now) journal.forget();
  });
  for (const event of ["pagehide", "blur"]) window.addEventListener(event, flush);
  document.addEventListener("visibilitychange", flush);
  takeUp();

  return {
    hear,
    typed,
    grown,
    flush,
    begin: () => ([began, writing, aside] = [now.revision, true, typedOn()]),
    wholly() {
      typed(now.pieces);
      line.say("take_up", { pieces: now.pieces, revision: now.revision });
      hold(now.pieces, now.revision);
    },
    told(pieces) {
      hold(pieces, now.revision);
      return (asked = now.revision);
    },
    get pieces() { return now.pieces; },
    // Whether the text that is being written goes on from an older one than stands here.
    get isAside() { return aside; },
    get isStored() { return Boolean(context); },
    get prompt() { return about().prompt ?? ""; },
  };
}

const areSplices = (all) => Array.isArray(all) && all.every(({ at, gone, put } = {}) =>
  at >= 0 && gone >= 0 && Array.isArray(put) && put.every((piece) => typeof piece?.[1] === "string"));
