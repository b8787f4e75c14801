// The texts that stood in the panel, the newest first; one click has one of them again, and Undo the text of now.
function versionsPart(restore) {
  const list = make("ol", { className: "jcp-recent" }), name = make("summary", {}, "Versions");
  const root = make("details", { className: "jcp-box" }, name, list);

  function when(seconds) {
    const at = new Date(1000 * seconds), day = at.toDateString() === new Date().toDateString() ? "" : `${at.toLocaleDateString()} `;
    return day + at.toLocaleTimeString();
  }

  return {
    root,
    draw(versions) {
      name.textContent = `Versions (${versions.length})`;
      list.replaceChildren(...versions.map(({ number, time, begin, words }) => make("li", {},
        make("button", { type: "button", className: "jcp-old", onclick: () => restore(number) },
          span("jcp-quiet", `${when(time)} · ${words.toLocaleString("en")} word${words === 1 ? "" : "s"}`), " ", visible(begin).replaceAll("\n", "↵")))));
    },
  };
}
