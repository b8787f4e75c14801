// Writes one cell below the completion's, Markdown or code, and says whether it did. Its metadata say which cell wrote
// it and what: that one is replaced when the cell runs again, unless somebody has changed it since.

const MINE = "jupyter_complete", ATTACHED = 100, WAIT = 30;

// FNV-1a over the code units.
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let place = 0; place < text.length; place++) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193);
  return (hash >>> 0).toString(16);
}

function writeCell(manager, el, kind, source) {
  const notebook = manager?.context?.model, shared = notebook?.sharedModel;
  if (!shared?.insertCell || notebook.readOnly) return false;
  const at = placeOf(el.closest(".jp-Cell"), shared.cells.length);
  if (at < 0) return false;
  const from = shared.cells[at].id;
  const cell = { cell_type: kind, source, metadata: { [MINE]: { from, hash: hashOf(source) } } };
  if (kind === "code") cell.metadata.trusted = true;
  const earlier = shared.cells.findIndex((one) => {
    const mark = one.getMetadata?.(MINE);
    return mark?.from === from && mark.hash === hashOf(one.source);
  });
  if (earlier >= 0 && shared.cells[earlier].source === source && shared.cells[earlier].cell_type === kind) return true;
  shared.transact(() => {
    if (earlier >= 0) shared.deleteCell(earlier);
    shared.insertCell(earlier >= 0 ? earlier : at + 1, cell);
  });
  return true;
}

const cell_writerView = viewOf((el, line) => {
  const text = make("pre");
  let over = false;
  el.append(text);

  function write({ kind, source }, tries) {
    if (!el.isConnected && tries) return setTimeout(write, WAIT, { kind, source }, tries - 1);
    let made = false;
    try {
      made = writeCell(line.model.widget_manager, el, kind, source);
    } finally {
      line.say("end", { made });
    }
  }

  return {
    shown(snapshot) {
      text.style.cssText = snapshot.style || "";
      text.textContent = visible(snapshot.meanwhile || "");
      if (over || !snapshot.kind) return;
      over = true;
      setTimeout(write, 0, snapshot, ATTACHED);
    },
  };
});
