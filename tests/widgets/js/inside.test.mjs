// The inside panel and its Transformer: one step that all stations show, questions asked once, answers drawn as text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, facts, inside, press, transformer } from "./page.mjs";

const HOSTILE = "<img src=x>\u202e";
const tokens = (texts) => texts.map((text, at) => [text, 10 + at, [...new TextEncoder().encode(text)].map((one) => one.toString(16).padStart(2, "0")).join(" ")]);
const SPLIT = [["数"[0], 30, "e6 95"], ["", 31, "b0"]];
const snapshot = (changed = {}) => ({
  prompt: "The mean", source: tokens(["The", " mean"]), before: tokens(["The", " mean"]), taken: tokens([" is", HOSTILE, " low"]), encodes: false,
  special: [], knobs: { temperature: 0.7, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1 }, footer: "3 steps", forks: [], score: "no guess yet", ...changed,
});
const row = (text, id, prob, cut = null) => [text, id, 5.5, 7.9, prob, cut, cut ? 0 : prob, 0.1, 0.1 + prob];
const weighed = (changed = {}) => ({ draw: 0.3, chosen: 10, picked: 10, kept: 2, size: 100, greedy: false, shown: 0.9, rows: [row(" is", 10, 0.6), row(" was", 40, 0.3), row(HOSTILE, 41, 0.1, "top_k")], ...changed });

const panel = (changed, traits = {}) => new Shown(inside, snapshot(changed), { controls: { controls: facts.knobs }, ...traits });
const newest = (page, wish) => page.sent.filter((one) => one.do === wish).at(-1);
const asked = ({ do: _, ...what }) => what;
const answer = (page, wish, found) => page.tell(wish, { asked: asked(newest(page, wish)), found });
const slide = (page, name, value) => {
  const field = page.find(`[aria-label="${name}"]`);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};
const turn = (page, station) => page.find(`[data-station="${station}"]`).click();
const mode = (page, value) => {
  const field = page.all("select").find((one) => [...one.options].some((each) => each.value === value));
  field.value = value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
};

test("the four stations stand from left to right, one of them open", () => {
  const page = panel();
  assert.deepEqual(page.all('[role="tab"] b').map((one) => one.textContent), ["Preprocess", "Transformer", "Distribution", "Postprocess"]);
  assert.deepEqual(page.all('[role="tab"]').map((one) => one.getAttribute("aria-selected")), ["false", "false", "true", "false"]);
});

test("arrow keys go from station to station", () => {
  const page = panel();
  press(page.find('[data-station="distribution"]'), "ArrowRight");
  assert.equal(document.activeElement.dataset.station, "postprocess");
  assert.equal(page.all('[role="tabpanel"]').filter((one) => !one.hidden).length, 1);
});

test("a notebook does not see the arrow keys of a slider", () => {
  const page = panel(), seen = [];
  page.el.addEventListener("keydown", ({ key }) => seen.push(key));
  press(page.find('[aria-label="Step"]'), "ArrowRight");
  press(page.find('[aria-label="Step"]'), "s", { ctrlKey: true });
  assert.deepEqual(seen, ["s"]);
});

test("the next step is asked for, and is where all stations are", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  page.button("Next token ▶").click();
  assert.deepEqual(asked(newest(page, "weigh")), { step: 1, knobs: {} });
  assert.equal(page.find(".jci-now").textContent, "<img src=x>⟨U+202E⟩");
});

test("text of a model never becomes markup", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  for (const station of ["preprocess", "postprocess"]) turn(page, station);
  assert.equal(page.find("img"), null);
});

test("a slider asks for this step and for all of them by what it changes alone", () => {
  const page = panel();
  slide(page, "temperature", "1.3");
  assert.deepEqual(asked(newest(page, "weigh")), { step: 0, knobs: { temperature: 1.3 } });
  assert.deepEqual(asked(newest(page, "replay")), { knobs: { temperature: 1.3 } });
});

test("what a slider asks goes as one message", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  answer(page, "replay", { picks: [[" is", 10], [HOSTILE, 11], [" low", 12]] });
  const before = page.model.messages.length;
  slide(page, "temperature", "1.3");
  assert.deepEqual(page.model.messages.slice(before).map((one) => one.do), ["all"]);
});

test("an answer is kept: to come back to a step asks nothing", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  page.button("Next token ▶").click();
  answer(page, "weigh", weighed({ chosen: 40 }));
  const before = page.sent.length;
  page.button("◀ Back").click();
  assert.equal(page.sent.length, before);
});

test("what is cut says why, what is picked is marked", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  const rows = page.all('[aria-label="What this step chooses from"] tbody tr').map((one) => one.textContent);
  assert.match(rows[0], /← pickedrecorded/);
  assert.match(rows[2], /cut: top_k/);
});

test("u is named on the cumulative bar for who cannot see it", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  assert.equal(page.find(".jci-draw svg").getAttribute("aria-label"), "u = 0.3000 falls into the stretch of “␣is”");
});

test("steps that pick another token are marked by a sign and a word, and lead there", () => {
  const page = panel();
  answer(page, "replay", { picks: [[" is", 10], [" was", 40], [" low", 12]] });
  assert.equal(page.find(".jci-other").textContent, "1: <img␣src=x>⟨U+202E⟩ ≠ ␣was");
  assert.match(page.el.textContent, /1 of 3 steps would pick another token/);
  page.find(".jci-other").click();
  assert.equal(page.find('[aria-current="step"]').textContent, "1: <img␣src=x>⟨U+202E⟩ ≠ ␣was");
});

test("half a character is held back until its bytes are whole", () => {
  const page = panel({ taken: SPLIT });
  turn(page, "postprocess");
  const rows = page.all('[aria-label="From ids to text"] tbody tr').map((one) => [...one.cells].map((each) => each.textContent));
  assert.match(rows[0][4], /^2 bytes held: part of a character/);
  assert.deepEqual([rows[1][3], rows[1][4]], ["数", ""]);
});

test("bytes are held where others of the same token were a character too, and control tokens add none", () => {
  const page = panel({ taken: [["", 30, "20 f0 9f"], ["</s>", 2, "3c 2f 73 3e"], ["", 31, "98"], ["", 32, "80 ef bb bf"]], special: [2] });
  turn(page, "postprocess");
  const rows = page.all('[aria-label="From ids to text"] tbody tr').map((one) => [...one.cells].slice(3).map((each) => each.textContent));
  assert.deepEqual(rows[0], ["␣", "2 bytes held: part of a character ← this step"]);
  assert.deepEqual(rows[1], ["", "control token, no text"]);
  assert.deepEqual(rows[2], ["", "3 bytes held: part of a character"]);
  assert.equal(rows[3][1], "");
});

test("steps count from 0, as they do in Python", () => {
  const page = panel({ forks: [[1, 1, 1, 2]] });
  answer(page, "weigh", weighed());
  answer(page, "replay", { picks: [[" is", 10], [HOSTILE, 11], [" low", 12]] });
  assert.match(page.find(".jci-said").textContent, /^Step 0 \(0 to 2\): “␣is” was picked/);
  assert.equal(page.find('[aria-label="Step"]').getAttribute("aria-valuetext"), "Step 0 (0 to 2)");
  assert.match(page.find(".jci-branches").textContent, /at step 1: branch 1 of 2/);
  assert.deepEqual(page.all(".jci-chip").map((one) => one.title), ["Step 0", "Step 1", "Step 2"]);
  turn(page, "postprocess");
  assert.deepEqual(page.all('[aria-label="From ids to text"] tbody tr').map((one) => one.cells[0].textContent), ["0", "1", "2"]);
});

test("the prompt's bytes are those of its text, without the names of control tokens", () => {
  const page = panel({ prompt: "é", source: [["<s>", 1, "3c 73 3e"], ["é", 30, "c3 a9"]], special: [1] });
  turn(page, "preprocess");
  assert.match(page.find(".jci-panel").textContent, /1 characters, 2 bytes, 2 tokens/);
  page.show(snapshot({ prompt: "", source: [["<s>", 1, "3c 73 3e"], ["é", 30, "c3 a9"]], special: [1] }));
  assert.match(page.find(".jci-panel").textContent, /1 characters, 2 bytes, 2 tokens/);
});

test("a token whose logit was penalised says so, and why logit/T is not the logit divided by T", () => {
  const page = panel(), rows = weighed().rows.map((one, at) => [...one, at === 1]);
  answer(page, "weigh", weighed({ rows, penalised: "Penalised: why." }));
  const marks = page.all('[aria-label="What this step chooses from"] tbody tr').map((one) => [...one.querySelectorAll(".jci-mark")].map((mark) => mark.textContent).join());
  assert.deepEqual(marks, ["← picked,recorded", "penalised", ""]);
  assert.match(page.el.textContent, /Penalised: why\./);
});

test("without a penalty nothing is said of one", () => {
  const page = panel();
  answer(page, "weigh", weighed({ penalised: "" }));
  assert.doesNotMatch(page.find('[aria-label="What this step chooses from"]').closest(".jci-panel").textContent, /penalised|undefined/i);
});

test("in a quiz the token is hidden until it was guessed, and the first guess counts", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  mode(page, "quiz");
  assert.equal(page.find(".jci-now").textContent, " ? ");
  assert.ok(page.find(".jci-sliders").hidden);
  page.button("␣was").click();
  assert.deepEqual(asked(newest(page, "guess")), { step: 0, token: 40 });
  page.tell("guessed", { step: 0, token: 40, rank: 2, prob: 0.3, right: false });
  assert.equal(page.find(".jci-now").textContent, " is");
  assert.match(page.find(".jci-outcome").textContent, /✗ No.*rank 2/);
  const before = page.sent.length;
  page.button("␣is").click();
  assert.equal(page.sent.length, before);
});

test("in a quiz every step chosen again is shown of guessed steps alone", () => {
  const page = panel({}, { mode: "quiz" }), chips = () => page.all(".jci-chip").map((one) => [one.textContent, one.title]);
  answer(page, "weigh", weighed());
  answer(page, "replay", { picks: [[" is", 10], [" was", 40], [" low", 12]] });
  assert.deepEqual(chips().map(([text]) => text), ["0: ?", "1: ?", "2: ?"]);
  page.tell("guessed", { step: 0, token: 40, rank: 2, prob: 0.3, right: false });
  assert.deepEqual(chips(), [["0: ␣is", "Step 0"], ["1: ?", "Step 1"], ["2: ?", "Step 2"]]);
  assert.match(page.el.textContent, /All 1 known steps would pick the recorded tokens/);
  mode(page, "watch");
  assert.deepEqual(chips().map(([text]) => text), ["0: ␣is", "1: <img␣src=x>⟨U+202E⟩ ≠ ␣was", "2: ␣low"]);
});

for (const name of ["quiz", "choose"]) {
  test(`a panel that opens to ${name} has nowhere what comes later`, () => {
    const page = panel({ taken: tokens([" is", HOSTILE, " zebra"]) }, { mode: name });
    answer(page, "weigh", weighed({ rows: [row(" is", 10, 0.6), row(" was", 40, 0.3)] }));
    answer(page, "replay", { picks: [[" is", 10], [HOSTILE, 11], [" zebra", 12]] });
    assert.equal(page.find(".jci-pick select").value, name);
    assert.equal(page.find(".jci-now").textContent, " ? ");
    for (const station of ["preprocess", "distribution", "postprocess"]) {
      turn(page, station);
      assert.doesNotMatch(page.el.outerHTML, /zebra|U\+202E/);
    }
    assert.equal(page.all('[aria-label="From ids to text"] tbody tr').length, 0);
  });
}

test("another mode is told to the kernel, which closes what it keeps beside the panel", () => {
  const page = panel();
  mode(page, "quiz");
  assert.deepEqual(asked(newest(page, "mode")), { mode: "quiz" });
});

test("what the class chooses is asked for by its id, and its rank is said", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  mode(page, "choose");
  page.button("␣was").click();
  assert.deepEqual(asked(newest(page, "choose")), { step: 0, token: 40 });
  page.show(snapshot({ taken: tokens([" was", " not"]), forks: [[0, 0, 2, 2]] }));
  page.tell("chosen", { step: 0, rank: 2, prob: 0.3 });
  assert.match(page.find(".jci-outcome").textContent, /rank 2, P 30 %/);
  assert.match(page.el.textContent, /branch 2 of 2/);
});

test("the keyboard stays at the step that was chosen in the list", () => {
  const page = panel();
  answer(page, "replay", { picks: [[" is", 10], [" was", 40], [" low", 12]] });
  page.find(".jci-other").focus();
  page.find(".jci-other").click();
  assert.equal(document.activeElement.textContent, "1: <img␣src=x>⟨U+202E⟩ ≠ ␣was");
});

test("it plays by itself until the last step", async () => {
  const page = panel();
  page.find('[aria-label="Speed"]').append(Object.assign(document.createElement("option"), { value: "0" }));
  page.find('[aria-label="Speed"]').value = "0";
  page.button("Play").click();
  for (let turns = 0; turns < 200 && !page.button("Play"); turns += 1) await new Promise((done) => setTimeout(done, 1));
  assert.equal(page.find('[aria-label="Step"]').value, "2");
});

test("why something was not found stands where it would have been", () => {
  const page = panel();
  turn(page, "preprocess");
  page.tell("unanswered", { of: "embedding", asked: {}, text: "This was not looked at." });
  assert.match(page.find(".jci-panel").textContent, /This was not looked at/);
});

test("the Transformer is fetched once and told of every step", async () => {
  const told = [], other = { get: () => told.at(-1), set: (_, at) => told.push(at) };
  const manager = { get_model: async () => other, create_view: async () => ({ el: Object.assign(document.createElement("div"), { id: "inner" }) }) };
  const page = panel();
  page.model.widget_manager = manager;
  turn(page, "transformer");
  page.button("Next token ▶").click();
  for (let turns = 0; turns < 20; turns += 1) await null;
  assert.ok(page.find("#inner"));
  assert.equal(told.at(-1).step, 1);
});

// Two heads, their mean and their largest, of three tokens.
const bytes = (rows) => btoa(String.fromCharCode(...rows.flat()));
const heads = () => ({ layer: 3, heads: 2, first: [0.5, 0, 0.25, 0.5], bytes: bytes([[0, 255, 0], [0, 0, 255], [0, 255, 255], [0, 128, 255]]), most: [0.5, 1, 0.5, 1], width: 3 });
const matrix = (make) => [0, 1, 2].map((one) => [0, 1, 2].map((other) => make(one, other)));
const numbers = () => ({
  layer: 3, head: 1, shared: 0, dimension: 64, begin: 0, from: 0, scale: 0.125, cap: 0,
  scores: matrix((one, other) => 8 * (one + other)), scaled: matrix((one, other) => one + other),
  masked: matrix((one, other) => (other > one ? null : one + other)), weights: matrix((one, other) => (one === other ? 1 : 0)),
  value: matrix(() => 0.5), output: matrix(() => 0.5),
});
const station = () => {
  const page = new Shown(transformer, snapshot(), { at: { step: 1 } });
  page.find(`[data-look="attention"]`).click();
  return page;
};
const looking = () => {
  const page = station();
  answer(page, "attention", heads());
  return page;
};

test("the last layer is asked first, at the place that chose the token", () => {
  assert.deepEqual(asked(newest(station(), "attention")), { layer: -1, position: 2, part: "decoder" });
});

test("rows of bytes are the numbers they were made of", () => {
  assert.deepEqual(transformer.rowOf({ ...heads(), bytes: transformer.unpacked(heads().bytes) }, 0), [0, 0.5, 0]);
});

test("a head is looked at by hovering, kept by a click, and asks nothing of the kernel", () => {
  const page = looking(), before = page.sent.length;
  page.find('[data-head="1"]').dispatchEvent(new Event("pointerover", { bubbles: true }));
  assert.match(page.el.textContent, /Layer 3, head 1: “␣is” 100 %/);
  page.find('[data-head="0"]').click();
  assert.equal(page.find('[data-head="0"]').getAttribute("aria-pressed"), "true");
  assert.equal(page.sent.length, before);
});

test("each word says its weight, not by colour alone", () => {
  const page = looking();
  page.find('[data-head="0"]').click();
  const words = page.all(".jci-text span");
  assert.deepEqual(words.map((one) => one.title), ["50 %", "50 %", "0.00 %"]);
  assert.equal(words[1].style.borderBottomWidth, "4px");
});

test("without the first token the others share its weight", () => {
  const page = looking();
  page.find('[data-head="0"]').click();
  page.find('input[type="checkbox"]').click();
  assert.deepEqual(page.all(".jci-text span").map((one) => one.title), ["0.00 %", "100 %", "0.00 %"]);
});

test("the largest without the first token is of heads that share its weight each for itself", () => {
  const page = looking();
  page.find('[data-head="max"]').click();
  assert.deepEqual(page.all(".jci-text span").map((one) => one.title), ["50 %", "50 %", "100 %"]);
  page.find('input[type="checkbox"]').click();
  assert.deepEqual(page.all(".jci-text span").map((one) => one.title), ["0.00 %", "100 %", "100 %"]);
});

test("a word that is clicked is hidden from the model, for the token that came", () => {
  const page = looking();
  page.all(".jci-text span")[1].click();
  assert.deepEqual(asked(newest(page, "occlusion")), { hidden: 1, target: 3 });
  answer(page, "occlusion", { before: 0.5, after: 0.1, change: -1.609 });
  assert.match(page.el.textContent, /With “␣mean” hidden, .* goes from 50 % to 10 %: Δ log P = −1.61/);
});

test("in an encoder any token of the source looks, and a word of it that is hidden is for the token that came", () => {
  const page = new Shown(transformer, snapshot({ encodes: true, source: tokens(["Le", " petit", " chat"]), before: tokens(["<s>"]) }), { at: { step: 1 } });
  page.find('[data-look="attention"]').click();
  const pick = (label, value) => {
    const field = page.find(`[aria-label="${label}"]`);
    field.value = value;
    field.dispatchEvent(new Event("change"));
  };
  assert.ok(page.find('[aria-label="Token of the source that looks"]').parentNode.hidden);
  page.find('input[type="checkbox"]').click();
  pick("Which attention", "encoder");
  pick("Token of the source that looks", "2");
  assert.deepEqual(asked(newest(page, "attention")), { layer: -1, position: 2, part: "encoder" });
  answer(page, "attention", heads());
  const words = page.all(".jci-text span");
  assert.deepEqual(words.map((one) => one.textContent), ["Le", "␣petit", "␣chat"]);
  assert.ok(page.find('input[type="checkbox"]').parentNode.hidden);
  page.find('[data-head="0"]').click();
  assert.equal(words[0].title, "50 %"); // the source's first token is none that heads rest on
  words[1].click();
  assert.deepEqual(asked(newest(page, "occlusion")), { hidden: 1, target: 2 });
});

test("another layer is asked for, and no layer twice", () => {
  const page = looking(), field = page.find('[aria-label="Layer"]');
  assert.equal(field.options.length, 4);
  field.value = "1";
  field.dispatchEvent(new Event("change"));
  assert.equal(newest(page, "attention").layer, 1);
});

test("a head in numbers is walked by arrow keys, with the formula of the cell", () => {
  const page = looking();
  page.find('[data-look="matrices"]').click();
  answer(page, "head", numbers());
  assert.match(page.find(".jci-formula").textContent, /q·k = 32.000÷ √64 = 4.000/);
  page.button("mask").click();
  page.find("td.jci-here").focus();
  press(document.activeElement, "ArrowUp");
  assert.match(page.find(".jci-formula").textContent, /mask: −∞/);
});

test("a head that adds a position bias says so, and what it is", () => {
  const page = looking();
  page.find('[data-look="matrices"]').click();
  answer(page, "head", { ...numbers(), scale: 1, scaled: matrix((one, other) => 8 * (one + other) - 0.5 * (one - other) - 1) });
  assert.equal(page.find('[data-stage="scaled"]').textContent, "× 1.000 + bias");
  assert.match(page.find(".jci-formula").textContent, /^softmax\(QKᵀ \+ bias \+ mask\)·V.*q·k = 32.000× 1.000 = 32.000\+ position bias −1.000 = 31.000/);
});

test("a head of a long text says which tokens are shown", () => {
  const page = looking();
  page.find('[data-look="matrices"]').click();
  answer(page, "head", numbers());
  assert.doesNotMatch(page.el.textContent, /tokens are shown/);
  page.show(snapshot({ before: tokens(["a", "b", "c", "d"]) }));
  answer(page, "attention", { ...heads(), width: 3 });
  answer(page, "head", { ...numbers(), begin: 2, from: 2 });
  assert.match(page.el.textContent, /The last 3 of 5 tokens are shown; the rest of a row's weight lies on earlier ones\./);
});

test("in a quiz the lens is closed, and a hidden word does not tell the token", () => {
  const page = looking();
  page.model.set("at", { step: 1, open: false });
  page.all(".jci-text span")[1].click();
  page.find('[data-look="layers"]').click();
  assert.deepEqual(page.wishes, ["whole", "attention"]);
  assert.match(page.find(".jci-lens").textContent, /once the token is known/);
});

test("what every layer adds is a row a layer, the longest bar the most of all", () => {
  const page = looking();
  page.find('[data-look="added"]').click();
  assert.deepEqual(asked(newest(page, "added")), { position: 2 });
  answer(page, "added", { attention: [1, 4], mlp: [2, 0.5], states: [3, 3.5, 6.25] });
  const rows = page.all(".jci-added tbody tr").map((row) => [...row.children].map((cell) => cell.textContent));
  assert.deepEqual(rows, [["0", "1.00", "2.00", "3.50"], ["1", "4.00", "0.50", "6.25"]]);
  assert.deepEqual(page.all(".jci-added .jct-bar").map((bar) => bar.style.width), ["30px", "60px", "120px", "15px"]);
  assert.match(page.find(".jci-added p").textContent, /embedding, with length 3\.00/);
});

test("a cell of the lens opens its candidates, and one that is pinned asks for its path", () => {
  const page = looking();
  page.find('[data-look="layers"]').click();
  const cell = [[" a", 1, 0.5], [" b", 2, 0.2]];
  answer(page, "lens", { begin: 1, cells: [[cell, cell], [cell, cell]] });
  assert.deepEqual(page.all(".jci-lens tbody th").map((one) => one.textContent), ["embeddings", "logits"]);
  press(page.find(".jci-lens td"), "Enter");
  page.find('[aria-label="Pin ␣b"]').click();
  assert.deepEqual(asked(newest(page, "path")), { position: 2, tokens: [2] });
  answer(page, "path", { ids: [2], texts: [" b"], ranks: [[900, 2]], probs: [[0.1, 0.2]] });
  assert.match(page.find(".jci-chart svg").getAttribute("aria-label"), /␣b: rank 900 of the embeddings, 2 of the logits/);
});

// The widget's own copy of the first steps, as recorded.
const stored = (steps) => ({ taken: [10, 11, 12], steps });
const die = (page) => {
  for (const handler of page.model.handlers.get("comm_live_update")) handler();
};
const tableOf = (page) => page.find('[aria-label="What this step chooses from"]');

test("without its kernel a panel shows the steps that were stored, and asks for none", () => {
  const page = panel({}, { stored: stored([weighed(), weighed({ chosen: 11, picked: 40, rows: [row(HOSTILE, 11, 0.6), row(" was", 40, 0.3)] })]) });
  die(page);
  page.button("Next token ▶").click();
  assert.match(page.find(".jci-said").textContent, /^Step 1/);
  assert.match(page.find(".jci-draw svg").getAttribute("aria-label"), /“␣was”/);
  assert.deepEqual(page.sent, []);
  assert.match(page.find(".jc-alive").textContent, /as it was saved/);
});

test("the numbers of one step never stand beside the text of another", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  assert.ok(tableOf(page));
  page.button("Next token ▶").click();
  assert.equal(tableOf(page), null);
  assert.equal(page.find(".jci-draw svg"), null);
  assert.match(page.find(".jci-said").textContent, /Asking the kernel/);
  die(page);
  assert.equal(tableOf(page), null);
  assert.doesNotMatch(page.el.textContent, /Asking|…/);
  assert.match(page.find(".jci-said").textContent, /was not stored/);
});

test("while a slider is asked for, the numbers of its step stay", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  slide(page, "temperature", "1.3");
  assert.ok(tableOf(page));
});

test("what needs the kernel is switched off with it: sliders, modes, and steps that were not stored", () => {
  const page = panel({}, { stored: stored([weighed()]) });
  slide(page, "temperature", "1.3");
  die(page);
  assert.deepEqual(page.all('.jci-sliders input').map((one) => [one.disabled, one.value])[0], [true, "0.7"]);
  assert.equal(page.find(".jci-pick select").disabled, true);
  assert.deepEqual(["◀ Back", "Next token ▶", "Play"].map((name) => page.button(name).getAttribute("aria-disabled")), ["true", "true", "true"]);
  page.button("Next token ▶").click();
  assert.match(page.find(".jci-said").textContent, /^Step 0/);
});

test("the Transformer without its kernel gives the true reason", async () => {
  const page = panel();
  page.model.widget_manager = { get_model: () => Promise.reject(new Error("model not found")) };
  die(page);
  turn(page, "transformer");
  for (let turns = 0; turns < 20; turns += 1) await null;
  assert.match(page.find(".jci-panel:not([hidden])").textContent, /the kernel that held it is gone/);
});

for (const [place, select] of [["a button", ".jci-bar button"], ["the text", ".jci-course"], ["a slider", ".jci-sliders input"], ["a station", ".jci-station"], ["the panel itself", ".jci"]]) {
  test(`a presenter's clicker steps from ${place}, and the notebook hears nothing`, () => {
    const page = panel(), heard = [];
    page.el.addEventListener("keydown", ({ key }) => heard.push(key));
    const events = [press(page.find(select), "PageDown"), press(page.find(select), "PageDown"), press(page.find(select), "PageUp")];
    assert.match(page.find(".jci-said").textContent, /^Step 1/);
    assert.ok(events.every((one) => one.defaultPrevented));
    assert.deepEqual(heard, []);
  });
}

test("arrow keys step where nothing else has a use for them", () => {
  const page = panel();
  press(page.button("Next token ▶"), "ArrowRight");
  assert.match(page.find(".jci-said").textContent, /^Step 1/);
  press(page.find(".jci-station"), "ArrowRight");
  press(page.find('[aria-label="temperature"]'), "ArrowRight");
  assert.match(page.find(".jci-said").textContent, /^Step 1/);
});

test("a button that cannot be used keeps the focus, so that the next key is not the notebook's", () => {
  const page = panel(), next = page.button("Next token ▶");
  next.focus();
  for (let turns = 0; turns < 4; turns += 1) next.click();
  assert.equal(next.getAttribute("aria-disabled"), "true");
  assert.equal(next.disabled, false);
  assert.equal(document.activeElement, next);
});

test("the station begins with a picture of the whole model, in its own numbers", () => {
  const page = new Shown(transformer, snapshot(), { at: { step: 1 } });
  answer(page, "whole", { layers: 30, heads: 9, vector: 576, vocabulary: 49152, rows: [[" is", 21.3, 0.77]], picked: HOSTILE });
  const boxes = page.all(".jci-flow-box").map((one) => one.textContent);
  assert.deepEqual(boxes.map((one) => one.match(/^(Tokens|Embeddings|30 layers|Logits|Softmax|Token)/)[0]), ["Tokens", "Embeddings", "30 layers", "Logits", "Softmax", "Token"]);
  assert.match(boxes.join(" "), /576 numbers.*9 heads.*49,152 numbers.*“␣is” 21.30.*“␣is” 77 %/);
  page.model.set("at", { step: 1, open: false });
  assert.doesNotMatch(page.find(".jci-flow").textContent, /77 %|picked/);
});

const options = (page, label) => page.all(`[aria-label="${label}"] option`).map((one) => one.value);

test("a trace from a file offers the layers and the heads that it holds", () => {
  const held = { attention: [["decoder", 1], ["decoder", 2], ["decoder", 3]], head: [["decoder", 1, 0], ["decoder", 3, 0], ["decoder", 3, 1]] };
  const page = new Shown(transformer, snapshot({ held }), { at: { step: 1 } });
  page.find('[data-look="attention"]').click();
  assert.equal(newest(page, "attention").layer, 3);
  answer(page, "attention", heads());
  assert.deepEqual(options(page, "Layer"), ["1", "2", "3"]);
  page.find('[data-look="matrices"]').click();
  assert.deepEqual([options(page, "Layer"), options(page, "Head")], [["1", "3"], ["0", "1"]]);
  page.find('[aria-label="Layer"]').value = "1";
  page.find('[aria-label="Layer"]').dispatchEvent(new Event("change"));
  assert.deepEqual(options(page, "Head"), ["0"]);
});

test("a trace without any head in numbers says so", () => {
  const page = new Shown(transformer, snapshot({ held: { attention: [["decoder", 3]], head: [] } }), { at: { step: 1 } });
  page.find('[data-look="attention"]').click();
  answer(page, "attention", heads());
  page.find('[data-look="matrices"]').click();
  assert.match(page.el.textContent, /holds no head in numbers/);
});

test("the class may choose only where the model can go on", () => {
  const offered = (page) => page.all(".jci-pick option").filter((one) => !one.disabled).map((one) => one.value);
  assert.deepEqual(offered(panel()), ["watch", "choose", "quiz"]);
  assert.deepEqual(offered(panel({ chooses: false })), ["watch", "quiz"]);
});

test("a token of one's own can be typed", () => {
  const page = panel();
  answer(page, "weigh", weighed());
  mode(page, "choose");
  page.find('[aria-label="A token of your own"]').value = "Rome";
  page.button("Use this token").click();
  assert.deepEqual(asked(newest(page, "choose")), { step: 0, token: "Rome" });
});

test("once a slider rests, the text that would follow is asked for and shown", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const page = panel();
  answer(page, "weigh", weighed());
  slide(page, "temperature", "1.2");
  slide(page, "temperature", "1.3");
  assert.equal(newest(page, "follow"), undefined);
  context.mock.timers.tick(400);
  assert.deepEqual(asked(newest(page, "follow")), { knobs: { temperature: 1.3 } });
  answer(page, "follow", { follows: ` Rome ${HOSTILE}` });
  assert.equal(page.find(".jci-follow").hidden, false);
  assert.match(page.find(".jci-follow").textContent, /the model writes: {2}Rome <img src=x>⟨U\+202E⟩/);
  page.button("As recorded").click();
  assert.equal(page.find(".jci-follow").hidden, true);
});
