// The model panel: a table of what is resident, and what can be loaded.

const modelsView = viewOf((el, line) => {
  const resident = make("div", { className: "jcm-scroll" });
  const said = make("div", { className: "jcm-said", role: "status", "aria-live": "polite" });
  const notes = make("div", { className: "jcm-quiet" });
  const names = make("datalist", { id: `jcm-${Math.random().toString(36).slice(2)}` });
  const name = make("input", { type: "text", "aria-label": "Model to load", placeholder: "name, directory, .gguf or hub id" });
  name.setAttribute("list", names.id);
  const dtype = choice("Type of the weights", ["auto", "int8", "float32", "bfloat16", "float16"]);
  const load = button("Load", "Get this model ready", () => name.value.trim() && ask("load", { name: name.value, dtype: dtype.value }));
  const stop = button("Stop", "End the loading", () => line.say("stop"));
  const form = make("div", { className: "jcm-bar" }, name, names, dtype, load, stop,
    button("Refresh", "Measure again", () => line.say("again")));
  name.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") load.click();
  });
  const also = make("div", { className: "jcm-quiet" });
  el.append(make("div", { className: "jc-view jcm", role: "group", "aria-label": "Models" }, resident, notes, form, said, also));

  function choice(label, values) {
    return make("select", { "aria-label": label }, ...values.map((value) => make("option", { value }, value)));
  }

  function ask(wish, what) {
    said.textContent = "…";
    line.say(wish, what);
  }

  function row([known, ...cells], standard) {
    const tools = make("td", {}, known === standard ? null : button("Use", `Make ${known} the default`, () => ask("use", { name: known })),
      " ", button("Unload", `Give the memory of ${known} back`, () => ask("unload", { name: known })));
    return make("tr", {}, ...cells.map((cell) => make("td", {}, visible(cell))), tools);
  }

  return {
    shown(snapshot) {
      const rows = snapshot.residents || [];
      resident.replaceChildren(rows.length
        ? make("table", {}, make("thead", {}, make("tr", {}, ...snapshot.head.map((one) => make("th", {}, one)), make("th", {}))),
          make("tbody", {}, ...rows.map((one) => row(one, snapshot.default))))
        : `No model is resident; the first completion loads ${snapshot.default}.`);
      notes.textContent = (snapshot.notes || []).join(" ");
      names.replaceChildren(...(snapshot.sources || []).map(([one, what]) => make("option", { value: one }, what)));
      also.textContent = snapshot.also || "";
      said.textContent = snapshot.said || "";
      load.disabled = Boolean(snapshot.busy);
      stop.disabled = !snapshot.busy;
      if (!name.value && snapshot.sources?.length) name.value = snapshot.sources[0][0];
    },
    waiting: ({ text }) => (said.textContent = text),
    refused: ({ text }) => (said.textContent = text),
  };
});
