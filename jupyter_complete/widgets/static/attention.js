// Attention painted on the running text: heads as thumbnails, a word hidden to see what it did.

const CAPTION = "Attention shows where a head looks. It does not show why a token was picked. Click a word to hide it from the model and see what changes.";

// `picked` is told of a head that is locked, `hide` of a token that shall be hidden.
function attentionPart(picked, hide, again) {
  const heads = make("div", { className: "jci-heads", role: "group", "aria-label": "Heads" });
  const text = make("div", { className: "jci-text", role: "group", "aria-label": "The text that is looked at" });
  const sink = make("input", { type: "checkbox", onchange: () => paint() });
  const readout = make("p", { className: "jci-said", role: "status" }), named = div("jci-quiet");
  const first = make("label", {}, sink, " leave out the first token (heads with nothing to do look there)");
  const root = div("", heads, first, text, readout, named, div("jci-quiet", CAPTION));
  let data = null, tokens = [], locked = "mean", shown = "mean", mark = "";

  const rowsOf = (which) => (which === "mean" ? data.heads : which === "max" ? data.heads + 1 : which);

  const without = () => sink.checked && !first.hidden;

  // Without the first token a head's others share its weight; the largest is then of heads that each sum to 1.
  function weights(which) {
    if (which === "max" && without()) {
      const all = Array.from({ length: data.heads }, (_, head) => weights(head));
      return all[0].map((_, at) => Math.max(...all.map((row) => row[at])));
    }
    const at = rowsOf(which), row = rowOf(data, at);
    row[0] = without() ? 0 : data.first[at];
    const rest = without() ? row.reduce((all, one) => all + one, 0) || 1 : 1;
    return row.map((one) => one / rest);
  }

  function paint() {
    if (!data) return;
    const row = weights(shown), most = Math.max(...row, 1e-9);
    [...text.querySelectorAll("span")].forEach((node, at) => {
      node.style.background = warmth((row[at] ?? 0) / most);
      node.style.borderBottomWidth = `${Math.round((4 * (row[at] ?? 0)) / most)}px`;
      node.title = percent(row[at] ?? 0);
      node.setAttribute("aria-label", `${glyphs(tokens[at])}, ${percent(row[at] ?? 0)}`);
    });
    const strongest = row.map((one, at) => [one, at]).sort((one, other) => other[0] - one[0]).slice(0, 4);
    const which = typeof shown === "number" ? `head ${shown}` : `the ${shown} over all heads`;
    named.textContent = `Layer ${data.layer}, ${which}: ${strongest.map(([one, at]) => `${quoted(tokens[at])} ${percent(one)}`).join(" · ")}${shown === locked ? "" : " (click the head to keep it)"}`;
    for (const node of heads.children) node.setAttribute("aria-pressed", String(node.dataset.head === String(locked)));
  }

  function thumbnails() {
    const all = ["mean", "max", ...Array.from({ length: data.heads }, (_, one) => one)];
    const held = heads.contains(document.activeElement) ? document.activeElement.dataset.head : null;
    heads.replaceChildren(...all.map((which) => {
      const node = make("button", { type: "button", className: "jci-head", title: "Hover to look, click to keep", tabIndex: which === locked ? 0 : -1 }, String(which), bars(weights(which), ""));
      node.dataset.head = which;
      return node;
    }));
    if (held !== null) heads.querySelector(`[data-head="${held}"]`)?.focus();
  }

  const headOf = (node) => (/^\d+$/.test(node.dataset.head) ? Number(node.dataset.head) : node.dataset.head);
  walked(heads, ".jci-head", () => 8, (node) => { shown = headOf(node); paint(); }, (node) => { locked = shown = headOf(node); paint(); picked(locked); });
  heads.addEventListener("pointerleave", () => { shown = locked; paint(); });
  walked(text, "span", () => 1, (node) => say(node), (node) => hide(Number(node.dataset.at)));
  sink.addEventListener("change", () => data && thumbnails());

  function say(node) {
    readout.textContent = `${node.getAttribute("aria-label")} of the attention.`;
  }

  return {
    root,
    head: () => (typeof locked === "number" ? locked : 0),
    // Tokens looked at, and what was found of this position; `sinks` where the first is the text's own first token.
    draw(found, looked, sinks) {
      first.hidden = !sinks;
      if (missing(found)) return void (data ? (named.textContent = found.text ?? "asking the model …") : named.replaceChildren(waiting(found)));
      const written = JSON.stringify(looked);
      if (written !== mark) {
        [mark, tokens] = [written, looked];
        text.replaceChildren(...tokens.flatMap((one, at) => {
          const node = make("span", { tabIndex: at ? -1 : 0, role: "button" }, glyphs(one));
          node.dataset.at = at;
          return [node, make("wbr")];
        }));
      }
      data = { ...found, bytes: unpacked(found.bytes) };
      if (typeof locked === "number" && locked >= data.heads) locked = shown = "mean";
      thumbnails();
      paint();
    },
    hidden(found, word, target) {
      readout.textContent = missing(found)
        ? found.text ?? "asking the model …"
        : `With ${quoted(word)} hidden, P(${quoted(target)}) goes from ${percent(found.before)} to ${percent(found.after)}: Δ log P = ${number(found.change)}. ${found.change < 0 ? "The word helps." : "The word does not help."}`;
    },
    silent: () => (readout.textContent = ""),
  };
}
