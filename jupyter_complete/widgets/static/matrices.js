// One head in numbers: QKᵀ, ÷√d_k, mask, softmax, ·V, and the formula with the numbers of the cell that is looked at.

const STAGES = [["scores", "QKᵀ"], ["scaled", "÷√d_k"], ["masked", "mask"], ["weights", "softmax, %"], ["output", "·V"]];

function matricesPart() {
  const stages = make("div", { className: "jci-bar", role: "group", "aria-label": "Stages of the head" });
  const grid = div("jci-scroll jci-matrix"), formula = make("div", { className: "jci-formula", role: "status" });
  const cut = div("jci-quiet"), root = div("", stages, grid, formula, cut);
  let data = null, rows = [], columns = [], stage = "scores", at = [0, 0];

  STAGES.forEach(([name, text], place) => {
    const node = button(text, null, () => { stage = name; table(); }, { className: "jci-stage" });
    node.dataset.stage = name;
    stages.append(place ? " → " : "", node);
  });

  // Most models divide by √d_k; a T5 does not, and adds a number of its own for how far apart two positions are.
  const usual = () => Math.abs(data.scale - 1 / Math.sqrt(data.dimension)) < 1e-6;
  const factor = (root) => (usual() ? `÷ √${root}` : `× ${data.scale.toPrecision(4)}`);
  const bias = (row, column) => {
    const product = data.scores[row][column] * data.scale;
    return data.scaled[row][column] - (data.cap ? data.cap * Math.tanh(product / data.cap) : product);
  };
  const isBiased = () => data.scores.some((line, row) => line.some((_, column) => Math.abs(bias(row, column)) > 0.01));

  const width = () => (stage === "output" ? data.output[0].length : columns.length);

  function cell(value, row, column, most) {
    const share = value === null ? 0 : Math.abs(value) / most;
    const text = stage === "weights" ? (100 * value).toFixed(0) : number(value, most < 10 ? 1 : 0);
    const node = make("td", { tabIndex: row === at[0] && column === at[1] ? 0 : -1, role: "gridcell", style: `background:${warmth(share)}` }, text);
    node.dataset.row = row;
    node.dataset.column = column;
    return node;
  }

  function table() {
    if (!data) return;
    for (const node of stages.children) node.setAttribute("aria-pressed", String(node.dataset.stage === stage));
    const numbers = data[stage], most = Math.max(...numbers.flat().map((one) => Math.abs(one ?? 0)), 1e-9);
    const names = stage === "output" ? numbers[0].map((_, one) => String(one)) : columns.map(glyphs);
    at = [Math.min(at[0], rows.length - 1), Math.min(at[1], width() - 1)];
    const head = make("tr", { role: "row" }, make("th", {}, ""), ...names.map((name) => make("th", { scope: "col", role: "columnheader" }, name)));
    const body = numbers.map((line, row) => make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, glyphs(rows[row])), ...line.map((value, column) => cell(value, row, column, most))));
    grid.replaceChildren(make("table", { role: "grid", "aria-label": STAGES.find(([name]) => name === stage)[1] }, make("thead", {}, head), make("tbody", {}, ...body)));
    say();
  }

  function say() {
    const [row, column] = at, { dimension, cap } = data;
    grid.querySelector(".jci-here")?.classList.remove("jci-here");
    grid.querySelector(`td[data-row="${row}"][data-column="${column}"]`)?.classList.add("jci-here");
    if (stage === "output") {
      const terms = columns.map((name, one) => [data.weights[row][one], data.value[one][column], name]).filter(([weight]) => weight > 0).sort((one, other) => other[0] - one[0]);
      const shown = terms.slice(0, 4).map(([weight, value, name]) => div("", `${number(weight, 3)} · ${number(value, 3)}  ${glyphs(name)}`));
      const more = terms.length > 4 || data.begin ? [div("jci-quiet", "+ … the others")] : [];
      formula.replaceChildren(make("b", {}, "softmax · V"), div("", `${glyphs(rows[row])}, number ${column} of ${dimension}`), ...shown, ...more, div("", `= ${number(data.output[row][column], 3)}`));
      return;
    }
    const score = data.scores[row][column], scaled = data.scaled[row][column], masked = data.masked[row][column], weight = data.weights[row][column];
    const added = bias(row, column), far = isBiased();
    formula.replaceChildren(
      make("b", {}, `softmax(QKᵀ${usual() ? "/√d_k" : ""}${far ? " + bias" : ""} + mask)·V`),
      div("", `${quoted(rows[row])} looks at ${quoted(columns[column])}`),
      div("", `q·k = ${number(score, 3)}`),
      div("", `${factor(dimension)}${cap ? `, at most ±${cap}` : ""} = ${number(far ? scaled - added : scaled, 3)}`),
      ...(far ? [div("", `+ position bias ${number(added, 3)} = ${number(scaled, 3)}`)] : []),
      div("", masked === null ? "mask: −∞, no token may look at a later one" : `mask: may look, ${number(masked, 3)}`),
      div("", masked === null ? "softmax: e^−∞ = 0" : `softmax: e^${number(masked, 3)} ÷ Σ = ${percent(weight)}`));
  }

  // Where not all tokens are shown, a row of the softmax does not sum to 1.
  function said(from, shown, all) {
    const [which, others] = from + shown === all ? ["The last ", "earlier ones"] : from ? ["", "those before and after"] : ["The first ", "later ones"];
    return shown < all ? `${which}${shown} of ${all} tokens are shown; the rest of a row's weight lies on ${others}.` : "";
  }

  walked(grid, "td", width, (node) => { at = [Number(node.dataset.row), Number(node.dataset.column)]; say(); });

  return {
    root,
    draw(found, looking, looked) {
      if (missing(found)) return formula.replaceChildren(waiting(found));
      if (found === data) return say();
      data = found;
      rows = looking.slice(found.begin, found.begin + found.scores.length);
      columns = looked.slice(found.from, found.from + found.scores[0].length);
      stages.querySelector("[data-stage=scaled]").textContent = `${usual() ? "÷√d_k" : factor()}${isBiased() ? " + bias" : ""}`;
      cut.textContent = said(found.from, columns.length, looked.length);
      at = [rows.length - 1, Math.max(0, found.weights.at(-1).indexOf(Math.max(...found.weights.at(-1))))];
      table();
    },
  };
}
