// What the model suggests for a stretch of the text, to be accepted or refused, beside what stood there before.
function suggestionPart({ accept, refuse }) {
  const before = div("jcp-before");
  const root = make("div", { className: "jcp-suggestion", role: "group", "aria-label": "Suggestion", hidden: true },
    button("Accept", "Keep the suggestion (Enter in the text)", accept),
    button("Refuse", "Have the text as it was (Esc in the text)", refuse),
    before);
  return {
    root,
    show(shown) {
      root.hidden = !shown;
      before.textContent = shown?.replaced ? `Before: ${visible(shown.replaced)}` : "";
    },
  };
}
