// The model panel: a table of what is resident, and what can be loaded.

const modelsView = viewOf((el, line) => {
  const resident = div("jcm-scroll");
  const said = make("div", { className: "jcm-said", role: "status", "aria-live": "polite" });
  const notes = div("jcm-quiet");
  const sources = div("jcm-scroll jcm-sources");
  const name = make("input", { type: "text", "aria-label": "Another model to load", placeholder: "another: directory, .gguf or hub id" });
  const dtype = make("select", { title: "Type of the weights" });
  const load = button("Load", "Get this model ready", () => name.value.trim() && begin(name.value));
  const stop = button("Stop", "End the loading", () => line.say("stop"));
  const form = div("jcm-bar", name, load, make("label", {}, "as ", dtype), stop, button("Refresh", "Measure again", () => line.say("again")));
  name.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") load.click();
  });
  const also = div("jcm-quiet");
  el.append(make("div", { className: "jc-view jcm", role: "group", "aria-label": "Models" }, resident, notes, sources, form, said, also));

  const begin = (name) => ask("load", { name, dtype: dtype.value });

  function ask(wish, what) {
    said.textContent = "…";
    line.say(wish, what);
  }

  function row([known, ...cells], standard) {
    const tools = cell(known === standard ? null : button("Use", `Make ${known} the default`, () => ask("use", { name: known })),
      " ", button("Unload", `Give the memory of ${known} back`, () => ask("unload", { name: known })));
    return make("tr", {}, ...cells.map((one) => cell(visible(one))), tools);
  }

  const cell = (...given) => make("td", {}, ...given);

  function source([known, what], busy) {
    const get = button("Load", `Get ${visible(known)} ready`, () => begin(known), { "aria-label": `Load ${visible(known)}`, disabled: busy });
    return make("tr", {}, cell(visible(known)), cell(visible(what)), cell(get));
  }

  function table(label, head, rows) {
    return make("table", { "aria-label": label }, make("thead", {}, make("tr", {}, ...head.map((one) => make("th", {}, one)))),
      make("tbody", {}, ...rows));
  }

  return {
    dead() {
      for (const node of el.querySelectorAll(".jcm :is(button, input, select)")) node.disabled = true;
      said.textContent = "";
    },
    shown(snapshot) {
      const rows = snapshot.residents || [];
      resident.replaceChildren(rows.length
        ? table("Resident models", [...snapshot.head, ""], rows.map((one) => row(one, snapshot.default)))
        : `No model is resident; the first completion loads ${snapshot.default}.`);
      notes.textContent = (snapshot.notes || []).join(" ");
      const known = (snapshot.sources || []).map((one) => source(one, Boolean(snapshot.busy)));
      sources.replaceChildren(...(known.length ? [table("Models to load", ["can be loaded", "what it is", ""], known)] : []));
      const asked = dtype.value;
      dtype.replaceChildren(...choices(snapshot.dtypes || []));
      if (asked) dtype.value = asked;
      also.textContent = snapshot.also || "";
      said.textContent = snapshot.said || "";
      load.disabled = Boolean(snapshot.busy);
      stop.disabled = !snapshot.busy;
    },
    waiting: ({ text }) => (said.textContent = text),
    refused: ({ text }) => (said.textContent = text),
  };
});
