// The Transformer's station: where the heads look, one head in numbers, what every layer adds and would say.

const LOOKS = [["whole", "the whole model"], ["attention", "attention on the text"], ["matrices", "one head in numbers"], ["added", "what layers add"], ["layers", "layer lens"]];

const NO_HEAD = "This trace holds no head in numbers. Load its model to look at one.";

const transformerView = viewOf((el, line) => {
  let data = null, look = "whole", layers = 0, heads = 0, hiding = null;
  const answers = new Answers(line, () => draw());
  const attention = attentionPart((head) => pickHead(head), (at) => ((hiding = at), draw()));
  const whole = wholePart(), matrices = matricesPart(), residual = residualPart(), lens = layersPart(() => draw());
  const views = { whole: whole.root, attention: attention.root, matrices: matrices.root, added: residual.root, layers: lens.root };
  const lookBar = make("div", { className: "jci-bar", role: "group", "aria-label": "Views of the Transformer" });
  const layerPick = make("select", { "aria-label": "Layer", onchange: again });
  const headPick = make("select", { "aria-label": "Head", onchange: () => draw() });
  const partPick = make("select", { "aria-label": "Which attention", onchange: () => { layers = 0; again(); } }, ...choices(["decoder", "cross", "encoder"]));
  const wordPick = make("select", { "aria-label": "Token of the source that looks", onchange: again });
  const headLabel = make("label", {}, "Head ", headPick), wordLabel = make("label", {}, "Token ", wordPick);
  const pick = div("jci-bar", make("label", {}, "Layer ", layerPick), headLabel, partPick, wordLabel);
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
    attention.silent();
    draw();
  }

  function pickHead(head) {
    if (typeof head === "number") headPick.value = head;
  }

  // The place in the text whose state chose the token of the step.
  function chooses() {
    return Math.max(0, data.before.length + stepNow() - 1);
  }

  function stepNow() {
    return Math.min(line.model.get("at")?.step ?? 0, data.taken.length - 1);
  }

  // What is looked at: of which layer, from which place, by which attention. In an encoder any token of the source looks.
  function asked() {
    const part = data.encodes ? partPick.value : "decoder";
    const first = data.held?.attention.filter(([one]) => one === part).at(-1)?.[1] ?? -1;
    return { layer: layers ? Number(layerPick.value) : first, position: part === "encoder" ? Number(wordPick.value) : chooses(), part };
  }

  function draw() {
    if (!data?.taken.length) return;
    for (const node of lookBar.children) node.setAttribute("aria-pressed", String(node.dataset.look === look));
    for (const [name, root] of Object.entries(views)) root.hidden = name !== look;
    const texts = (list) => list.map(([text]) => text), running = texts([...data.before, ...data.taken]);
    partPick.hidden = !data.encodes;
    pick.hidden = look === "whole" || look === "layers" || look === "added" || !layerPick.options.length;
    headLabel.hidden = look !== "matrices";
    if (layers) offer(data.encodes ? partPick.value : "decoder");
    wordLabel.hidden = !data.encodes || partPick.value !== "encoder";
    if (look === "whole") whole.draw(answers.ask("whole", { step: stepNow() }), running.slice(0, chooses() + 1), open());
    else if (look === "layers") through(chooses(), running);
    else if (look === "added") residual.draw(answers.ask("added", { position: chooses() }), running[chooses()]);
    else attend(running, texts(data.source));
  }

  function attend(running, source) {
    const what = asked(), { position, part } = what, found = answers.ask("attention", what);
    if (!missing(found) && !layers) return measure(found, what);
    if (look === "matrices" && layers && !headPick.options.length) return matrices.draw({ text: NO_HEAD }, running, []);
    const seen = part === "decoder" ? running.slice(0, position + 1) : source;
    if (look === "matrices") {
      return matrices.draw(missing(found) ? found : answers.ask("head", { ...what, head: Number(headPick.value) }), part === "encoder" ? source : running, seen);
    }
    attention.draw(found, seen, part === "decoder");
    const target = chooses() + 1; // of an encoder-decoder it is words of the source that can be hidden
    if (hiding !== null && open() && (part === "decoder") !== data.encodes) attention.hidden(answers.ask("occlusion", { hidden: hiding, target }), seen[hiding], running[target]);
  }

  // How many layers and heads there are is known from the first answer, which is of the last layer.
  function measure(found, what) {
    [layers, heads] = [found.layer + 1, found.heads];
    offer(what.part);
    layerPick.value = found.layer;
    offer(what.part);
    answers.heard("attention", { ...what, layer: found.layer }, found);
  }

  // A trace from a file offers what it holds: the layers, and of the layer looked at the heads.
  function offer(part) {
    const range = (many) => Array.from({ length: many }, (_, one) => one), of = (list) => list.filter(([one]) => one === part);
    const { held } = data, inNumbers = held && of(held.head), offered = held && (look === "matrices" && inNumbers.length ? inNumbers : of(held.attention));
    fill(layerPick, held ? [...new Set(offered.map(([, layer]) => layer))] : range(layers));
    fill(headPick, held ? inNumbers.filter(([, layer]) => layer === Number(layerPick.value)).map(([, , head]) => head) : range(heads));
  }

  function fill(field, values) {
    const was = field.value, names = values.map(String);
    if (String(names) === String([...field.options].map(({ value }) => value))) return;
    field.replaceChildren(...choices(names));
    field.value = names.includes(was) ? was : names.at(-1) ?? "";
  }

  function through(position, running) {
    if (!open()) return lens.close();
    const tokens = lens.pinned();
    lens.draw(answers.ask("lens", { position }), running, !data.held);
    lens.paths(tokens.length ? answers.ask("path", { position, tokens }) : {});
  }

  const kept = (kind) => ({ asked, found }) => answers.heard(kind, asked, found);
  return {
    shown(snapshot) {
      answers.clear();
      [data, layers] = [snapshot, 0];
      wordPick.replaceChildren(...data.source.map(([text], at) => make("option", { value: at }, `${at} ${glyphs(text)}`)));
      draw();
    },
    ...Object.fromEntries(["whole", "attention", "head", "occlusion", "added", "lens", "path"].map((kind) => [kind, kept(kind)])),
    alive: () => draw(),
    unanswered: ({ of, asked, text }) => answers.heard(of, asked, { text }),
  };
});
