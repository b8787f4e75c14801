// The text of a panel as the output beside it shows it: as render/panel.py draws it.

const COPY = "--jc-text:1;", COPIED = `${COPY}white-space:pre-wrap;overflow-wrap:anywhere;word-break:normal`;
const BLANK = "Nothing is written here yet.", BLANK_STYLE = `${COPY}font-size:85%;opacity:0.7`;
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };

function textCopy(text) {
  if (!text) return { "text/html": `<div style="${BLANK_STYLE}">${BLANK}</div>`, "text/markdown": `*${BLANK}*`, "text/plain": BLANK };
  const plain = visible(text), safe = plain.replace(/[&<>"']/g, (one) => ENTITIES[one]);
  const fence = "`".repeat(Math.max(3, ...(text.match(/`+/g) ?? []).map((run) => run.length + 1)));
  return {
    "text/html": `<div style="${COPIED}">${safe.replace(/[$\\]/g, "<span>$&</span>")}</div>`,
    "text/markdown": `${fence}text\n${plain}\n${fence}`,
    "text/plain": plain,
  };
}

// Put the text into the output of a cell that shows the document `name`; what follows it there stays.
function copyInto(cell, name, text) {
  outputsOf(cell).forEach((output, at) => {
    const about = output.metadata?.[OURS];
    if (about?.document !== name || !about.lengths) return;
    const made = textCopy(text), data = { ...output.data }, lengths = {};
    for (const [kind, head] of Object.entries(made)) {
      data[kind] = head + whole(data[kind]).slice(about.lengths[kind]);
      lengths[kind] = head.length;
    }
    save(cell, at, { ...output, data, metadata: { ...output.metadata, [OURS]: { ...about, lengths } } });
  });
}

const whole = (content) => (Array.isArray(content) ? content.join("") : content ?? "");
