// The text with the step that is looked at: next, back, play; or the class chooses, or guesses, what comes.

const MODES = [["watch", "watch"], ["choose", "you choose"], ["quiz", "quiz: guess the token"]];
const SPEEDS = [["2000", "slow"], ["1000", "1 a second"], ["400", "fast"]];

// `wishes` are go(step), mode(name), choose(step, token), guess(step, token), sibling(at, step).
function playerPart(wishes, begun) {
  const text = make("div", { className: "jci-course", role: "group", "aria-label": "The text so far" });
  const range = make("input", { type: "range", min: 0, step: 1, "aria-label": "Step", oninput: () => wishes.go(Number(range.value)) });
  const speed = make("select", { "aria-label": "Speed" }, ...SPEEDS.map(([value, name]) => make("option", { value }, name)));
  const play = button("Play", "Go on by itself", toggle);
  const mode = select("Mode", MODES, () => { stop(); wishes.mode(kind()); });
  const back = button("◀ Back", "The step before (←, PageUp)", () => move(-1)), next = button("Next token ▶", "The next step (→, PageDown)", () => move(1));
  const said = make("p", { className: "jci-said", role: "status" }), outcome = make("p", { className: "jci-outcome", role: "status" }), offers = div("jci-offers"), branches = div("jci-branches");
  const typed = make("input", { type: "text", "aria-label": "A token of your own", placeholder: "or type a token", size: 14 });
  const own = make("form", { className: "jci-offers", hidden: true, onsubmit: (event) => (event.preventDefault(), submit()) }, typed, button("Use this token", "A word counts with the blank before it where the model finds that likelier", submit));
  const root = div("", text, div("jci-bar", back, next, range, play, speed, mode), branches, offers, own, outcome, said);
  const answered = new Map();
  let data = null, step = 0, timer = null, written = null, seen = null;

  const can = (to) => Boolean(data?.taken[to]) && wishes.holds(to);

  function submit() {
    if (!typed.value) return;
    if (kind() === "quiz") wishes.guess(step, typed.value);
    else wishes.choose(step, typed.value);
    typed.value = "";
  }

  function move(by) {
    if (can(step + by)) wishes.go(step + by);
  }

  const kind = () => mode.querySelector("select").value;
  mode.querySelector("select").value = begun || "watch";
  const place = () => `Step ${step} (0 to ${data.taken.length - 1})`;

  function toggle() {
    if (timer) return stop();
    if (!can(step + 1)) return;
    play.textContent = "Pause";
    const tick = () => {
      if (!can(step + 1)) return stop();
      wishes.go(step + 1);
      timer = setTimeout(tick, Number(speed.value));
    };
    timer = setTimeout(tick, 0);
  }

  function stop() {
    clearTimeout(timer);
    timer = null;
    play.textContent = "Play";
  }

  // The pieces of the text, of another completion than before.
  function begin() {
    written = null;
    answered.clear();
    stop();
  }

  const textOf = ([text, id]) => (data.special.includes(id) ? `⟨${text}⟩` : visible(text));

  function write() {
    const of = (name) => (token) => make("span", { className: name }, textOf(token));
    const front = (data.encodes ? data.source : data.before).map(of("jci-given")), back = data.taken.map(of("jci-taken"));
    back.forEach((node, place) => node.addEventListener("click", () => wishes.go(place)));
    text.replaceChildren(...front, ...(data.encodes ? [make("b", {}, " → ")] : []), ...back);
    branches.replaceChildren(...data.forks.map(([place, where, which, many]) => span("", `at step ${place}: branch ${which} of ${many} `,
      button("‹", "The branch before", () => wishes.sibling(where, -1)), button("›", "The next branch", () => wishes.sibling(where, 1)))));
    range.max = data.taken.length - 1;
    [written, seen] = [back, null];
  }

  const watching = () => kind() === "watch";
  const known = (at) => watching() || answered.has(at), open = () => known(step);

  function draw(snapshot, at) {
    [data, step] = [snapshot, at];
    const choosing = mode.querySelector('[value="choose"]');
    choosing.hidden = choosing.disabled = data.chooses === false;
    if (choosing.hidden && kind() === "choose") mode.querySelector("select").value = "watch";
    if (!written) write();
    range.value = at;
    range.setAttribute("aria-valuetext", place());
    allow(back, can(at - 1));
    for (const node of [next, play]) allow(node, can(at + 1));
    written.forEach((node, place) => {
      node.classList.toggle("jci-now", place === at);
      node.classList.toggle("jci-later", place > at);
      const shown = place === at && !open() ? " ? " : place > at && !watching() ? "" : textOf(data.taken[place]);
      if (node.textContent !== shown) node.textContent = shown;
    });
    if (at !== seen) text.scrollTop = written[at].offsetTop - text.clientHeight / 2;
    seen = at;
  }

  // Candidates of the step as it was recorded; by name, so that their order says nothing.
  function offer(found) {
    const quiz = kind() === "quiz", given = quiz && answered.has(step);
    own.hidden = missing(found) || watching() || given;
    if (missing(found) || watching()) {
      offers.replaceChildren();
      said.textContent = missing(found) ? [taken(), found.text ?? "Asking the kernel for its numbers …"].join(" ") : words(found);
      return;
    }
    const rows = found.rows.slice(0, 6);
    if (!rows.some((row) => row[1] === found.chosen)) rows[5] = found.rows.find((row) => row[1] === found.chosen);
    rows.sort(([one], [other]) => (one < other ? -1 : 1));
    renew(offers, make("b", {}, quiz ? "Which token did the model pick?" : "Which token shall come next?"), ...rows.map(([name, id]) =>
      button(glyphs(name), null, () => given || (quiz ? wishes.guess(step, id) : wishes.choose(step, id)), { "aria-disabled": given ? "true" : null, className: given && id === found.chosen ? "jci-right" : "" })));
    said.textContent = quiz ? `${place()}. So far ${data.score}.` : `${place()}: choose a token, and the model continues from it.`;
  }

  const taken = () => (open() ? `${place()}: ${quoted(data.taken[step][0])} was picked.` : `${place()}.`);

  function words(found) {
    const [, , , , raw, , prob] = found.rows.find((row) => row[1] === found.chosen);
    const rank = found.rows.filter((row) => row[4] > raw).length + 1;
    const said = `${taken().slice(0, -1)}, rank ${rank > 20 ? "over 20" : rank}, P ${percent(raw)}; after the settings ${percent(prob)}.`;
    return said.replaceAll(" %", "\u00a0%"); // a number and its sign stay on one line
  }

  return {
    root, draw, offer, stop, begin, move,
    // Without its kernel nothing can be chosen, guessed or gone on with.
    close(gone) {
      if (gone) stop();
      mode.querySelector("select").disabled = gone;
      for (const node of branches.querySelectorAll("button")) node.disabled = gone;
    }, watching, open, known,
    say: (sentence) => (outcome.textContent = sentence),
    guessed({ step: at, rank, prob, right }) {
      if (!answered.has(at)) answered.set(at, right);
      outcome.textContent = `${right ? "✓ Right" : "✗ No"}: the model picked ${quoted(data.taken[at][0])}. Your token has rank ${rank.toLocaleString("en")}, P ${percent(prob)}.`;
    },
  };
}
