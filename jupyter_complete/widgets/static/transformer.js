// The Transformer's station: where the heads look, one head in numbers, what every layer would say.

const LOOKS = [["looked", "attention on the text"], ["matrices", "one head in numbers"], ["layers", "layer lens"]];

const transformerView = viewOf((el, line) => {
  let data = null, look = "looked", layers = 0, hiding = null;
  const answers = new Answers(line, () => draw());
  const looked = lookedPart((head) => pickHead(head), (at) => ((hiding = at), draw()));
  const matrices = matricesPart(), lens = layersPart(() => draw());
  const views = { looked: looked.root, matrices: matrices.root, layers: lens.root };
  const lookBar = make("div", { className: "jci-bar", role: "group", "aria-label": "Views of the Transformer" });
  const layerPick = make("select", { "aria-label": "Layer", onchange: again });
  const headPick = make("select", { "aria-label": "Head", onchange: () => draw() });
  const partPick = make("select", { "aria-label": "Which attention", onchange: () => { layers = 0; again(); } }, ...choices(["decoder", "cross"]));
  const headLabel = make("label", {}, "Head ", headPick), pick = div("jci-bar", make("label", {}, "Layer ", layerPick), headLabel, partPick);
  el.append(frame("Transformer", lookBar, pick, ...Object.values(views)));
  for (const [name, text] of LOOKS) {
    const node = button(text, null, () => ((look = name), draw()));
    node.dataset.look = name;
    lookBar.append(node);
  }
  line.model.on("change:at", again);
  const open = () => line.model.get("at")?.open !== false; // in a quiz what would tell the token is not shown before

  function again() {
    hiding = null;
    looked.silent();
    draw();
  }

  function pickHead(head) {
    if (typeof head === "number") headPick.value = head;
  }

  // What is looked at: the place in the text whose state chose the token, of which layer, by which attention.
  function asked() {
    const { step = 0 } = line.model.get("at") || {};
    return {
      layer: layers ? Number(layerPick.value) : -1,
      position: Math.max(0, data.before.length + Math.min(step, data.taken.length - 1) - 1),
      part: data.encodes ? partPick.value : "decoder",
    };
  }

  function draw() {
    if (!data?.taken.length) return;
    for (const node of lookBar.children) node.setAttribute("aria-pressed", String(node.dataset.look === look));
    for (const [name, root] of Object.entries(views)) root.hidden = name !== look;
    const texts = (list) => list.map(([text]) => text), running = texts([...data.before, ...data.taken]);
    partPick.hidden = !data.encodes;
    pick.hidden = look === "layers";
    headLabel.hidden = look !== "matrices";
    if (look === "layers") through(asked().position, running);
    else attend(running, texts(data.source));
  }

  function attend(running, source) {
    const what = asked(), { position, part } = what, found = answers.ask("attention", what);
    if (!missing(found) && !layers) return measure(found, what);
    const seen = part === "cross" ? source : running;
    if (look === "matrices") {
      return matrices.draw(missing(found) ? found : answers.ask("head", { ...what, head: Number(headPick.value) }), running, seen);
    }
    looked.draw(found, part === "cross" ? seen : seen.slice(0, position + 1));
    if (hiding !== null && open() && (part === "cross" || !data.encodes)) looked.hidden(answers.ask("occlusion", { hidden: hiding, target: position + 1 }), seen[hiding], running[position + 1]);
  }

  // How many layers and heads there are is known from the first answer, which is of the last layer.
  function measure(found, what) {
    layers = found.layer + 1;
    layerPick.replaceChildren(...choices(Array.from({ length: layers }, (_, one) => String(one))));
    headPick.replaceChildren(...choices(Array.from({ length: found.heads }, (_, one) => String(one))));
    layerPick.value = found.layer;
    answers.heard("attention", { ...what, layer: found.layer }, found);
  }

  function through(position, running) {
    if (!open()) return lens.close();
    const tokens = lens.pinned();
    lens.draw(answers.ask("lens", { position }), running);
    lens.paths(tokens.length ? answers.ask("path", { position, tokens }) : {});
  }

  const kept = (kind) => ({ asked, found }) => answers.heard(kind, asked, found);
  return {
    shown(snapshot) {
      answers.clear();
      [data, layers] = [snapshot, 0];
      draw();
    },
    ...Object.fromEntries(["attention", "head", "occlusion", "lens", "path"].map((kind) => [kind, kept(kind)])),
    unanswered: ({ of, asked, text }) => answers.heard(of, asked, { text }),
  };
});
