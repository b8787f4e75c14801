// The layer lens: what every layer would say next; a cell's candidates, and the way of pinned tokens through the layers.

// pixels of the column of names, and of one position
const NAMES = 110, COLUMN = 108;
const DASHES = ["", "8 4", "2 3", "10 3 2 3", "4 2"], MOST_PINNED = DASHES.length;

function layersPart(again) {
  const grid = div("jci-scroll jci-lens"), card = make("div", { className: "jci-card", role: "status" }), chart = div("jci-chart");
  const root = div("", div("jci-quiet", "Each cell shows the most likely next token if the model ended after this layer (last norm, then head), and its probability in percent. Click a cell, or press Enter in it, for its candidates."), card, grid, chart);
  let source = null, data = null, tokens = [], pinned = [], pinnable = true;

  const state = (layer, before = "") => (layer === 0 ? "embeddings" : layer === data.cells.length - 1 ? "logits" : `${before}${layer - 1}`);
  const stateName = (layer) => state(layer, "after layer ");

  // `pins` says whether the model can be asked for a token's way through the layers.
  function draw(found, looked, pins) {
    pinnable = pins;
    if (missing(found)) return void (data ? (card.textContent = found.text ?? "asking the model …") : grid.replaceChildren(waiting(found)));
    if (found === source) return;
    [source, data, tokens] = [found, fitting(found), looked];
    found = data;
    const columns = tokens.slice(found.begin, found.begin + found.cells[0].length);
    const rows = found.cells.map((line, layer) => make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader", "aria-label": stateName(layer) }, state(layer)), ...line.map((top, column) => cell(top, layer, column, columns))));
    const head = make("tr", { role: "row" }, make("th", {}, "after layer"), ...columns.map((name) => make("th", { scope: "col", role: "columnheader" }, glyphs(name))));
    grid.replaceChildren(make("table", { role: "grid", "aria-label": "Layer lens" }, make("thead", {}, head), make("tbody", {}, ...rows)));
    open(grid.querySelector("td[tabindex='0']"));
  }

  // As many of the last positions as there is room for: no column is half there. The last one is the step's own.
  function fitting(found) {
    const room = grid.clientWidth ? Math.max(2, Math.floor((grid.clientWidth - NAMES) / COLUMN)) : Infinity, all = found.cells[0].length;
    return { begin: found.begin + Math.max(0, all - room), cells: found.cells.map((line) => line.slice(-room)) };
  }

  function cell([[text, , prob]], layer, column, columns) {
    const first = layer === data.cells.length - 1 && column === columns.length - 1;
    const node = make("td", { tabIndex: first ? 0 : -1, role: "gridcell", style: `background:${warmth(prob)}` }, div("", span("", glyphs(text)), " ", span("", `${Math.round(100 * prob)}`)));
    node.dataset.layer = layer;
    node.dataset.column = column;
    return node;
  }

  function open(node) {
    const layer = Number(node.dataset.layer), column = Number(node.dataset.column), top = data.cells[layer][column];
    const rows = top.map(([text, id, prob]) => make("tr", {}, make("td", {}, glyphs(text)), make("td", {}, make("span", { className: "jct-bar", style: `width:${Math.round(90 * prob)}px` }), percent(prob)),
      make("td", {}, !pinnable ? "" : button(pinned.includes(id) ? "Unpin" : "Pin", "Draw its way through the layers, as what comes next now", () => pin(id, node), { "aria-label": `Pin ${glyphs(text)}` }))));
    renew(card, make("b", {}, `${stateName(layer)}, after ${glyphs(tokens[data.begin + column])}`), make("table", {}, make("tbody", {}, ...rows)));
  }

  function pin(id, node) {
    pinned = pinned.includes(id) ? pinned.filter((one) => one !== id) : [...pinned, id].slice(-MOST_PINNED);
    open(node);
    again();
  }

  // Ranks on a logarithmic scale, 1 on top; a line of its own dashes for each token, named where it ends.
  function paths(found) {
    if (!pinned.length) return chart.replaceChildren();
    if (missing(found)) return chart.replaceChildren(waiting(found));
    const deepest = Math.max(10, ...found.ranks.flat()), layers = found.ranks[0].length - 1;
    const x = (layer) => 60 + (300 * layer) / layers, y = (rank) => 20 + (150 * Math.log(rank)) / Math.log(deepest);
    const lines = found.ranks.map((ranks, one) => svg("g", {},
      svg("polyline", { class: "jci-line", "stroke-dasharray": DASHES[one], points: ranks.map((rank, layer) => `${x(layer).toFixed(1)},${y(rank).toFixed(1)}`).join(" ") }),
      svg("text", { x: x(layers) + 6, y: y(ranks.at(-1)) + 5 + 4 * one }, glyphs(found.texts[one]).slice(0, 12))));
    const marks = [1, 10, 100, 1000, 10000].filter((rank) => rank <= deepest).map((rank) => svg("g", {}, svg("path", { class: "jci-tick", d: `M60 ${y(rank)}h300` }), svg("text", { x: 54, y: y(rank) + 5, "text-anchor": "end" }, String(rank))));
    const label = found.ranks.map((ranks, one) => `${glyphs(found.texts[one])}: rank ${ranks[0]} of the embeddings, ${ranks.at(-1)} of the logits`).join("; ");
    const drawn = picture(480, 205, `Rank through the layers. ${label}`, ...marks, ...lines, svg("text", { x: 60, y: 195 }, "embeddings"), svg("text", { x: 360, y: 195, "text-anchor": "end" }, "logits"));
    chart.replaceChildren(make("b", {}, "Rank through the layers, of what comes next now"), drawn);
  }

  walked(grid, "td", () => data.cells[0].length, () => {}, open);
  // The last layer is the answer of a quiz.
  function close() {
    source = data = null;
    grid.replaceChildren(div("jci-quiet", "This is shown once the token is known."));
    card.replaceChildren();
    chart.replaceChildren();
  }

  return { root, draw, paths, close, pinned: () => pinned };
}
