// The inside panel: four stations from left to right, and one step that all of them show.

const NO_MODEL = "The Transformer's numbers come from the model, and the kernel that held it is gone. Run the cell again to ask it.";
const NO_VIEW = "This front end cannot show one widget inside another. seen.view() shows the same as tables.";
const STATIONS = [["preprocess", "Preprocess"], ["transformer", "Transformer"], ["distribution", "Distribution"], ["postprocess", "Postprocess"]];

const insideView = viewOf((el, line) => {
  let data = { taken: [], before: [] }, step = 0, station = "distribution", inner = null, within = null, recorded = null, resting = 0, rested = "";
  const { model } = line, answers = new Answers(line, () => draw(), stored), notice = aliveNotice(model, el);
  const isGone = () => line.alive.state === "gone";
  const player = playerPart({
    go,
    holds: (at) => !isGone() || !missing(answers.ask("weigh", { step: at, knobs: {} })),
    mode: (name) => (line.say("mode", { mode: name }), draw()),
    choose: (at, token) => (player.say("The model goes on from there …"), line.say("choose", { step: at, token })),
    guess: (at, token) => line.say("guess", { step: at, token }),
    sibling: (at, by) => line.say("sibling", { at, step: by }),
  }, model.get("mode"));
  const sampling = samplingPart(model.get("controls")?.controls || [], () => draw(), go);
  const tabs = make("div", { className: "jci-stations", role: "tablist", "aria-label": "Stations" }), footer = div("jci-quiet"), keeping = make("div", { className: "jci-quiet", role: "status" });
  const panels = Object.fromEntries(STATIONS.map(([name]) => [name, make("div", { role: "tabpanel", id: `jci-${name}-${unique()}`, className: "jci-panel" })]));
  panels.distribution.append(sampling.root);
  const root = frame("Inside a completion", player.root, tabs, ...Object.values(panels), footer, keeping);
  el.append(notice.root, root);
  stepKeys(root, (by) => player.move(by));
  for (const [name, title] of STATIONS) {
    const node = make("button", { type: "button", role: "tab", id: `${panels[name].id}-tab`, className: "jci-station", onclick: () => turn(name) }, make("b", {}, title), span("jci-quiet"));
    node.setAttribute("aria-controls", panels[name].id);
    node.dataset.station = name;
    panels[name].setAttribute("aria-labelledby", node.id);
    tabs.append(node);
  }
  tabs.addEventListener("keydown", (event) => {
    const at = STATIONS.findIndex(([name]) => name === station), to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: 3 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (STATIONS[to]) (turn(STATIONS[to][0]), tabs.children[to].focus());
  });

  // The first steps as they were recorded came with the widget: they are there without the kernel too.
  function stored(kind, asked) {
    const kept = model.get("stored") ?? {};
    if (Object.keys(asked.knobs ?? { none: true }).length || String(kept.taken) !== String(data.taken.map(([, id]) => id))) return undefined;
    return kind === "weigh" ? kept.steps[asked.step] : recorded;
  }

  function turn(name) {
    station = name;
    draw();
  }

  function go(to) {
    player.say("");
    step = Math.max(0, Math.min(data.taken.length - 1, to));
    draw();
  }

  function draw() {
    if (data.taken.length) answers.together(redraw);
  }

  function redraw() {
    player.draw(data, step);
    player.offer(answers.ask("weigh", { step, knobs: {} }));
    for (const [name] of STATIONS) panels[name].hidden = name !== station;
    for (const node of tabs.children) {
      const chosen = node.dataset.station === station;
      node.setAttribute("aria-selected", String(chosen));
      node.tabIndex = chosen ? 0 : -1;
      node.lastChild.textContent = summary(node.dataset.station);
    }
    ({ preprocess, transformer, distribution, postprocess })[station]();
  }

  function summary(name) {
    const [text, id, bytes] = data.taken[step];
    if (name === "preprocess") return `${[...written()].length} characters → ${data.source.length} tokens`;
    if (name === "transformer") return "vectors → layers → logits";
    if (!player.open()) return "?";
    return name === "distribution" ? `logits → P → id ${id}` : `${bytes} → ${glyphs(text)}`;
  }

  // The prompt's text; behind a chat template, what its tokens say that are no control tokens.
  function written() {
    const raw = data.source.filter(([, id, bytes]) => bytes && !data.special.includes(id)).flatMap(([, , bytes]) => octets(bytes));
    return data.prompt || new TextDecoder().decode(Uint8Array.from(raw));
  }

  const octets = (bytes) => (bytes ? bytes.split(" ").map((one) => parseInt(one, 16)) : []);
  const named = (label, head, rows) => div("jci-scroll", make("table", { "aria-label": label },
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...rows)));
  const word = (text) => span("jci-word", glyphs(text));
  const cells = (...given) => given.map((one) => make("td", {}, one));

  function preprocess() {
    const found = answers.ask("embedding", {}), drawn = missing(found) ? null : unpacked(found.bytes);
    const zero = drawn ? (255 * -found.low) / (found.high - found.low || 1) : 0;
    const levels = (at) => [...(drawn || []).slice(at * found.width, (at + 1) * found.width)];
    const rows = data.source.map(([text, id, bytes], at) => make("tr", {}, ...cells(String(at), word(text), String(id), bytes,
      levels(at).length ? strip(levels(at), zero, `vector of ${glyphs(text)}`) : "")));
    const text = written(), bytes = new TextEncoder().encode(text).length;
    panels.preprocess.replaceChildren(
      make("p", {}, `Text → tokens → ids → vectors: ${[...text].length} characters, ${bytes} bytes, ${data.source.length} tokens. A token is a piece that is frequent in texts. It can be a word, a part of one, or a sign.`),
      named("Tokens of the prompt", ["at", "token", "id", "bytes", drawn ? `vector, ${found.width} of ${found.size} numbers` : "vector"], rows),
      drawn ? div("jci-quiet", "A filled bar up is a number above 0, an open bar down one below.") : waiting(found));
  }

  // The station is a widget of its own, with a module of its own; it is fetched when it is first looked at.
  function transformer() {
    inner ??= fetchTransformer();
    const at = { step, open: player.open() };
    inner.then((other) => JSON.stringify(other.get("at")) === JSON.stringify(at) || other.set("at", at)).catch(() => {
      inner = null;
      panels.transformer.replaceChildren(isGone() ? NO_MODEL : NO_VIEW);
    });
  }

  function fetchTransformer() {
    return model.widget_manager.get_model(model.get("transformer")).then(async (other) => {
      within = await model.widget_manager.create_view(other);
      panels.transformer.replaceChildren(within.el);
      return other;
    });
  }

  function distribution() {
    const knobs = sampling.knobs();
    sampling.draw(answers.ask("weigh", { step, knobs }), player.open(), step);
    sampling.follow(following(knobs));
    sampling.replayed(answers.ask("replay", { knobs }), data.taken, step, player.known);
  }

  // The text that would follow is asked for once a slider rests: it takes the model a while.
  function following(knobs) {
    const asked = JSON.stringify(knobs);
    if (asked === "{}" || !player.watching()) return null;
    if (asked === rested) return answers.ask("follow", { knobs });
    clearTimeout(resting);
    resting = setTimeout(() => ((rested = asked), draw()), 400);
    resting.unref?.();
    return { wait: true };
  }

  // How many of the last bytes begin a character that is not whole: those of which a decoder makes nothing yet.
  function heldOf(last) {
    const silent = (many) => !new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(last.slice(-many)), { stream: true });
    return [3, 2, 1].find((many) => many <= last.length && silent(many)) ?? 0;
  }

  function postprocess() {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true }), until = player.open() ? step + 1 : step;
    let last = [];
    const rows = data.taken.slice(0, player.watching() ? undefined : until).map(([, id, bytes], at) => {
      const control = data.special.includes(id), raw = control ? [] : octets(bytes);
      const added = decoder.decode(Uint8Array.from(raw), { stream: true });
      last = [...last, ...raw].slice(-3);
      const held = heldOf(last), state = control ? "control token, no text" : held ? `${held} byte${held > 1 ? "s" : ""} held: part of a character` : "";
      return make("tr", { className: at === step ? "jci-picked" : "" }, ...cells(String(at), String(id), bytes, added ? word(added) : "", at === step ? `${state} ← this step` : state));
    });
    panels.postprocess.replaceChildren(make("p", {}, "Ids → bytes → text. A character whose bytes are not whole is held back."),
      named("From ids to text", ["step", "id", "bytes", "adds", ""], rows));
  }

  return {
    alive({ state, silent }) {
      notice.alive(state, silent);
      if (isGone()) keeping.textContent = "";
      if (isGone()) answers.pending.clear();
      player.close(isGone());
      sampling.close(isGone());
      draw();
    },
    shown(snapshot) {
      const same = ["before", "taken", "forks"].every((name) => JSON.stringify(snapshot[name]) === JSON.stringify(data[name]));
      data = snapshot;
      if (!same) {
        recorded = { picks: data.taken.map(([text, id]) => [text, id]) };
        answers.clear();
        player.begin();
        step = Math.min(step, Math.max(0, data.taken.length - 1));
        sampling.set(snapshot.knobs);
      }
      footer.textContent = snapshot.footer;
      draw();
    },
    weigh: ({ asked, found }) => answers.heard("weigh", asked, found),
    replay: ({ asked, found }) => answers.heard("replay", asked, found),
    embedding: ({ asked, found }) => answers.heard("embedding", asked, found),
    unanswered: ({ of, asked, text }) => answers.heard(of, asked, { text }),
    follow: ({ asked, found }) => answers.heard("follow", asked, found),
    guessed: (message) => (player.guessed(message), draw()),
    chosen({ step: at, rank, prob }) {
      go(at + 1);
      player.say(`You chose ${quoted(data.taken[at][0])}: rank ${rank.toLocaleString("en")}, P ${percent(prob)}. The other text stays, as a branch.`);
    },
    keeping: ({ text }) => (keeping.textContent = text),
    refused: ({ text }) => player.say(text),
    gone: () => (player.stop(), clearTimeout(resting), within?.remove?.()),
  };
});
