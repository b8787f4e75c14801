// What every layer adds to the vector of one position: by attention, then by its MLP.

function residualPart() {
  const root = div("jci-added");

  function draw(found, word) {
    if (missing(found)) return root.replaceChildren(waiting(found));
    const { attention, mlp, states } = found, most = Math.max(...attention, ...mlp, 1e-9);
    const size = (one) => make("td", {}, make("span", { className: "jct-bar", style: `width:${Math.round((120 * one) / most)}px` }), number(one));
    const rows = attention.map((one, layer) => make("tr", {}, make("th", { scope: "row" }, String(layer)), size(one), size(mlp[layer]), make("td", {}, number(states[layer + 1]))));
    const head = ["layer", "attention adds", "MLP adds", "vector after it"].map((name) => make("th", { scope: "col" }, name));
    root.replaceChildren(
      make("p", {}, `The length |·| of each vector. The vector of ${quoted(word)} starts as its embedding, with length ${number(states[0])}. Each layer adds the output of attention, which collects from earlier positions, and then the output of the MLP.`),
      div("jci-scroll", make("table", { "aria-label": "What every layer adds" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))));
  }

  return { root, draw };
}
