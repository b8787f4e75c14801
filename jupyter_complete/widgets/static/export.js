// What can be done with a text as a whole: into a Markdown cell, copied, downloaded, begun anew.

function exportPart({ text, name, insert, anew, say }) {
  const fresh = button("Start anew", "The cell's own prompt, in place of this text; Undo brings the text back", anew);
  const root = div("jcp-export",
    button("Save as Markdown cell", "Insert a Markdown cell with this text below", () =>
      say(insert(text()) ? "The text is in a Markdown cell below." : "This front end takes no new cell from a panel: copy the text.")),
    button("Copy text", "Copy the whole text", copy),
    button("Download .md", "Save the text as a Markdown file", () => download("md", "text/markdown")),
    button("Download .txt", "Save the text as a plain file", () => download("txt", "text/plain")),
    fresh);

  async function copy() {
    try {
      await navigator.clipboard.writeText(text());
      say("The text is copied.");
    } catch {
      say("This page may not copy: select the text and press Ctrl+C.", true);
    }
  }

  function download(ending, type) {
    const url = URL.createObjectURL(new Blob([text()], { type: `${type};charset=utf-8` }));
    make("a", { href: url, download: `${name || "text"}.${ending}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
    say(`Saved as ${name || "text"}.${ending} where your browser keeps downloads.`);
  }

  return { root, fresh };
}
