// The distribution: logit, logit/T, what was cut and why, P, u on the cumulative bar; sliders choose every step again.

const RANGES = { temperature: [0, 2, 0.05], top_k: [0, 100, 1], top_p: [0, 1, 0.01], min_p: [0, 0.5, 0.005], repetition_penalty: [0.8, 2, 0.01] };

function samplingPart(controls, moved, go) {
  const fields = new Map(), sliders = div("jci-sliders"), table = div("jci-scroll"), bar = div("jci-draw"), picks = div("jci-picks"), said = div("jci-quiet");
  const changed = make("p", { className: "jci-said", role: "status" });
  let recorded = {}, weighed = null, at = 0, chosen = null, closing = "";
  for (const { name, help } of controls) {
    const [min, max, step] = RANGES[name], value = make("output", {});
    const field = make("input", { type: "range", min, max, step, title: help, "aria-label": name.replaceAll("_", " "), oninput: () => { show(name); moved(knobs()); } });
    fields.set(name, { field, value });
    sliders.append(make("label", { title: help }, span("jci-name", name), field, value));
  }
  sliders.append(button("As recorded", "Put every slider back", () => { set(recorded); moved(knobs()); }));
  const closed = div("jci-quiet", "This is shown once the token is known.");
  const followed = make("p", { className: "jci-follow", role: "status" });
  const root = div("", closed, sliders, followed, bar, table, said, make("h4", {}, "What each step would pick with these settings, one by one; this is not a text"), changed, picks);

  function show(name) {
    const { field, value } = fields.get(name);
    value.textContent = Number(field.value) === 0 && name === "temperature" ? "0 (greedy)" : field.value;
    field.setAttribute("aria-valuetext", value.textContent);
  }

  function set(values) {
    recorded = values;
    for (const [name, { field }] of fields) {
      if (Number(field.max) < values[name]) field.max = values[name]; // as it was recorded, however large
      field.value = values[name];
      show(name);
    }
  }

  // Those that are not as they were: a slider has steps, the recorded value none.
  function knobs() {
    const all = [...fields].map(([name, { field }]) => [name, Number(field.value)]);
    return Object.fromEntries(all.filter(([name, value]) => String(value) !== String(recorded[name])));
  }

  function line(row, found) {
    const [text, id, logit, scaled, raw, cut, prob, low, high, penalised] = row;
    const marks = [id === found.picked ? "← picked" : "", id === found.chosen ? "recorded" : "", penalised ? "penalised" : ""].filter(Boolean).map((mark) => div("jci-mark", mark));
    const share = make("span", { className: "jct-bar", style: `width:${Math.round(50 * prob)}px` });
    const cells = [[glyphs(text), ...marks], number(logit), number(scaled), percent(raw), cut ? `cut: ${cut}` : [share, percent(prob)], cut ? "" : [`${low.toFixed(4)}–`, make("wbr"), high.toFixed(4)], id];
    return make("tr", { className: `${cut ? "jct-cut" : ""} ${id === found.picked ? "jci-picked" : ""}` }, ...cells.map((cell) => make("td", {}, ...[cell].flat())));
  }

  // In a quiz nothing is shown before the guess.
  function draw(found, open, step) {
    for (const part of root.children) part.hidden = !open;
    closed.hidden = open;
    if (missing(found)) return void (found.text || step !== at ? clear(found) : null);
    if (found === weighed) return;
    [weighed, at] = [found, step];
    const { rows, draw: u, greedy, kept, size } = found, warm = greedy ? "greedy" : `logit/${fields.get("temperature").field.value}`;
    const head = ["token", "logit", warm, "P = softmax(logit)", "after settings", "cumulative", "id"].map((name) => make("th", { scope: "col" }, name));
    table.replaceChildren(make("table", { "aria-label": "What this step chooses from" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows.map((row) => line(row, found)))));
    said.textContent = `${kept.toLocaleString("en")} of ${size.toLocaleString("en")} tokens can be drawn; those shown have ${percent(found.shown)} together. A likely token is not necessarily a correct one.${found.penalised ? ` ${found.penalised}` : ""}`;
    bar.replaceChildren(...(u === null ? [div("jci-quiet", "Nothing is drawn: greedy decoding picks the most likely token.")] : [cumulative(rows, u, found.picked)]));
  }

  // No numbers stand beside the text of another step.
  function clear(found) {
    weighed = null;
    table.replaceChildren(div("jci-quiet", found.text ?? "Asking the kernel for this step …"));
    for (const part of [bar, said]) part.replaceChildren();
  }

  // 0 to 1 in the order of ids, each token its stretch, and where u fell; in shares of the width, so that letters keep
  // their size, and in its own picture each name ends where its stretch does.
  function cumulative(rows, u, picked) {
    const part = (share) => `${(100 * share).toFixed(3)}%`;
    const stretches = rows.filter(([, , , , , cut]) => !cut).map(([text, id, , , , , , low, high]) => {
      const box = svg("rect", { class: id === picked ? "jci-here" : "jci-stretch", width: "100%", height: 30 }, svg("title", {}, `${glyphs(text)} ${low}–${high}`));
      const name = high - low > 0.06 ? svg("text", { x: 4, y: 22 }, glyphs(text)) : "";
      return svg("svg", { x: part(low), y: 22, width: part(Math.max(0.001, high - low)), height: 30 }, box, name);
    });
    const name = quoted(rows.find((row) => row[1] === picked)[0]), anchor = u < 0.2 ? "start" : u > 0.8 ? "end" : "middle";
    const pin = svg("g", {}, svg("line", { class: "jci-pin", x1: part(u), x2: part(u), y1: 18, y2: 56 }), svg("text", { x: part(u), y: 16, "text-anchor": anchor }, `u = ${u.toFixed(4)} → ${name}`));
    const whole = svg("rect", { class: "jci-whole", y: 22, width: "100%", height: 30 });
    return svg("svg", { width: "100%", height: 58, role: "img", "aria-label": `u = ${u.toFixed(4)} falls into the stretch of ${name}` }, whole, ...stretches, pin);
  }

  // Of a quiz only the steps are shown that are `known`.
  function replayed(found, taken, step, known) {
    if (found.text) changed.textContent = found.text;
    if (missing(found)) return;
    const open = taken.map((_, at) => known(at));
    if (found !== chosen || String(open) !== closing) list(found, taken, open);
    [chosen, closing] = [found, String(open)];
    [...picks.children].forEach((node, at) => node.toggleAttribute("aria-current", at === step));
    picks.children[step]?.setAttribute("aria-current", "step");
  }

  function list(found, taken, open) {
    const other = found.picks.filter(([, id], at) => open[at] && id !== taken[at][1]).length, seen = open.filter(Boolean).length;
    const steps = seen < taken.length ? `${seen} known steps` : `${taken.length} steps`;
    changed.textContent = other ? `${other} of ${steps} would pick another token (≠), each after the text as it was recorded.` : `All ${steps} would pick the recorded tokens.`;
    if (picks.children.length !== taken.length) picks.replaceChildren(...taken.map((_, at) => button("", "", () => go(at), { className: "jci-chip" })));
    found.picks.forEach(([text, id], at) => {
      const node = picks.children[at], same = !open[at] || id === taken[at][1];
      const name = !open[at] ? `${at}: ?` : same ? `${at}: ${glyphs(text)}` : `${at}: ${glyphs(taken[at][0])} ≠ ${glyphs(text)}`;
      if (node.textContent !== name) node.textContent = name; // what stays is not drawn anew
      node.title = `Step ${at}${same ? "" : `: recorded ${quoted(taken[at][0])}, now ${quoted(text)}`}`;
      node.classList.toggle("jci-other", !same);
    });
  }

  // What the model would have written with these settings; nothing is found where they are as recorded.
  function follow(found) {
    followed.hidden = !found;
    if (!found) return followed.replaceChildren();
    followed.replaceChildren(make("b", {}, "With these settings and the same seed the model writes: "), visible(found.follows ?? found.text ?? "asking the model …"));
  }

  // Without its kernel a slider has nothing to ask: the numbers are those of the settings as recorded.
  function close(gone) {
    for (const { field } of fields.values()) field.disabled = gone;
    if (gone) set(recorded);
  }

  return { root, set, knobs, draw, replayed, follow, close };
}
