// The token view: running text in colours, and for the token that is looked at its numbers and candidates.

const POWERS = 4, LEVELS = 8, THICKEST = 3, LEAST = 5;

const levelOf = (logprob) =>
  logprob === null ? 0 : Math.min(LEVELS, Math.round((-logprob / Math.LN10) * (LEVELS / POWERS)));
const widthOf = (bits) => Math.min(THICKEST, Math.round(bits || 0));

// All tokens of all parts in one row: those that share a character stand together.
function placed(parts) {
  const places = [];
  parts.forEach((part, index) => {
    part.groups.forEach((first, number) => {
      const next = part.groups[number + 1] ?? part.texts.length;
      const own = Array.from({ length: next - first }, (_, one) => first + one);
      const sum = own.reduce((all, at) => (part.logprobs[at] === null ? null : all + part.logprobs[at]), 0);
      const logprob = own.some((at) => part.logprobs[at] === null) ? null : sum;
      places.push({ part: index, at: first, last: next - 1, own, logprob, text: own.map((at) => part.texts[at]).join("") });
    });
  });
  return places;
}

// `wishes` are branch(at, token), sibling(at, step) and weigh(part, at).
function tokensPart(wishes) {
  const body = make("div", { className: "jct-body", role: "group", "aria-label": "Tokens" });
  const card = make("div", { className: "jct-card", hidden: true, role: "region", "aria-label": "The token looked at" });
  const least = div("jct-least");
  const root = div("jct", body, card, least, legend());
  let data = { parts: [], forks: [] }, places = [], spans = [], here = 0, pinned = false, asked = null;

  function draw(told) {
    const held = root.contains(document.activeElement); // what is drawn anew keeps the keyboard
    data = { parts: told.parts || [], forks: told.forks || [] };
    places = placed(data.parts);
    spans = places.map((place, index) => spanOf(place, index));
    here = Math.min(here, Math.max(0, places.length - 1));
    const pieces = [];
    places.forEach((place, index) => {
      if (place.at === 0) pieces.push(div("jct-name", figures(data.parts[place.part])));
      pieces.push(...forksFrom(place, place.last), spans[index]);
    });
    const last = places.at(-1);
    if (last) pieces.push(...forksFrom({ ...last, at: last.last + 1 }, Infinity));
    body.replaceChildren(...pieces);
    if (spans.length) spans[here].tabIndex = 0;
    least.replaceChildren(...jumps());
    close();
    root.hidden = !places.length;
    if (held) spans[here]?.focus({ preventScroll: true });
  }

  function forksFrom({ part, at }, to) {
    if (data.parts[part].name !== "completion") return [];
    return data.forks.filter(([fork]) => at <= fork && fork <= to).map(chip);
  }

  function spanOf(place, index) {
    const part = data.parts[place.part], [text] = [place.text];
    const span = make("span", {
      className: `jct-token jct-p${levelOf(place.logprob)} jct-e${widthOf(part.bits[place.last])}`,
      tabIndex: -1,
      role: "button",
      "aria-expanded": "false",
      "aria-label": `${glyphs(text)}${place.logprob === null ? "" : `, ${percent(Math.exp(place.logprob))}`}`,
    });
    span.dataset.index = index;
    span.append(...shownText(text));
    return span;
  }

  // A line break is seen, and breaks the line.
  function shownText(text) {
    const lines = (text === "" ? "·" : visible(text)).replaceAll("\t", "⇥\t").split("\n");
    return lines.flatMap((line, number) => (number ? ["↵", make("br"), line] : [line]));
  }

  function chip([at, number, count]) {
    return make("span", { className: "jct-chip", role: "group", "aria-label": `Branch ${number} of ${count}` },
      button("‹", "The branch before (Alt+Up)", () => wishes.sibling(at, -1), { "aria-label": "The branch before", disabled: Boolean(wishes.closed?.()) }),
      `${number}/${count}`,
      button("›", "The next branch (Alt+Down)", () => wishes.sibling(at, 1), { "aria-label": "The next branch", disabled: Boolean(wishes.closed?.()) }));
  }

  function figures(part) {
    const known = part.covered.filter((mass) => mass > 0);
    const mass = known.reduce((all, one) => all + one, 0) / (known.length || 1);
    const said = [`${part.name}: ${part.texts.length} token${part.texts.length === 1 ? "" : "s"}`];
    if (part.perplexity !== null) said.push(`perplexity ${part.perplexity}`);
    if (known.length) said.push(`candidates cover ${percent(mass)} on average`);
    return said.join(" · ");
  }

  function jumps() {
    const told = places.map((place, index) => [place.logprob, index]).filter(([logprob]) => logprob !== null);
    if (!told.length) return [];
    const first = told.sort((one, other) => one[0] - other[0]).slice(0, LEAST);
    return ["Least likely: ", ...first.map(([logprob, index]) =>
      button(`${glyphs(places[index].text).slice(0, 16)} ${percent(Math.exp(logprob))}`, null, () => look(index, true, true),
        { className: "jct-jump" }))];
  }

  function look(index, pin, focus) {
    if (!spans[index]) return;
    spans[here].classList.remove("jct-here");
    spans[here].tabIndex = -1;
    spans[here].setAttribute("aria-expanded", "false");
    here = index;
    pinned = pin;
    spans[here].tabIndex = 0;
    spans[here].classList.add("jct-here");
    spans[here].setAttribute("aria-expanded", "true");
    if (focus) spans[here].focus({ preventScroll: false });
    fill(places[here]);
    card.hidden = false;
    setDown();
  }

  function setDown() {
    const span = spans[here], most = root.clientWidth - card.offsetWidth;
    card.style.top = `${span.offsetTop + span.offsetHeight + 4}px`;
    card.style.left = `${Math.max(0, Math.min(span.offsetLeft, most))}px`;
    const needed = card.offsetTop + card.offsetHeight + 8;
    if (pinned && needed > root.offsetHeight) root.style.minHeight = `${needed}px`;
  }

  function close() {
    card.hidden = true;
    root.style.minHeight = "";
    pinned = false;
    spans[here]?.classList.remove("jct-here");
    spans[here]?.setAttribute("aria-expanded", "false");
  }

  function fill(place) {
    const part = data.parts[place.part], at = place.last, logprob = part.logprobs[at], bits = part.bits[at];
    const several = place.own.length > 1 ? ` (${place.own.length} tokens of one character)` : "";
    const before = places[here - 1];
    const head = div("jct-head",
      before ? span("jct-before", `…${glyphs(before.text).slice(-16)} → `) : null,
      make("b", {}, glyphs(place.text)), several);
    const numbers = [`id ${place.own.map((one) => part.ids[one]).join(", ")}`];
    if (logprob === null) numbers.push("not measured: nothing stands before it");
    else numbers.push(`rank ${part.ranks[at].toLocaleString("en")}`, percent(Math.exp(logprob)), `logprob ${logprob.toFixed(2)}`);
    if (bits !== null) numbers.push(`entropy ≥ ${bits.toFixed(1)} bits`);
    card.replaceChildren(head, div("jct-numbers", numbers.join(" · ")));
    const top = part.tops ? part.tops[at] : place.top;
    if (top) card.append(...candidates(part, at, top));
    else if (bits !== null) {
      asked = place;
      const sent = wishes.weigh(place.part, at) !== false;
      card.append(div("jct-numbers", sent ? "asking the kernel for the candidates …" : "The candidates of this token were not stored."));
    }
  }

  function candidates(part, at, top) {
    if (!top.length) return [];
    const mine = part.name === "completion", taken = part.ids[at], logprob = part.logprobs[at]; // the prompt was not sampled
    const row = (kind, name, raw, after) => make("tr", { className: kind }, td(name), td(...raw), mine ? td(after) : null);
    const rows = top.map(([text, id, raw, after, cut]) => {
      const is = id === taken, name = glyphs(text);
      const shown = mine && !is && !wishes.closed?.()
        ? button(name, "Go on from here with this token", () => wishes.branch(at, id))
        : make(is ? "b" : "span", {}, name);
      const bar = make("span", { className: "jct-bar", style: `width:${Math.round(60 * raw)}px` });
      return row(is ? "jct-taken" : cut ? "jct-cut" : "", shown, [bar, percent(raw)], cut ? `cut by ${cut}` : percent(after));
    });
    if (logprob !== null && !top.some(([, id]) => id === taken)) {
      rows.push(row("jct-outside", glyphs(part.texts[at]), [percent(Math.exp(logprob))], "taken"));
    }
    rows.push(row("jct-others", "all others", [percent(Math.max(0, 1 - part.covered[at]))], ""));
    const head = make("tr", {}, ...["candidate", "raw", ...(mine ? ["after sampling"] : [])].map((one) => make("th", {}, one)));
    return [make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)),
      div("jct-numbers", `${top.length} candidates cover ${percent(part.covered[at])}`)];
  }

  const indexOf = ({ target }) => Number(target.closest?.(".jct-token")?.dataset.index ?? -1);
  body.addEventListener("pointerover", (event) => {
    if (!pinned && event.pointerType !== "touch") look(indexOf(event), false, false);
  });
  root.addEventListener("pointerleave", () => !pinned && !root.contains(document.activeElement) && close());
  body.addEventListener("click", (event) => look(indexOf(event), true, true));
  body.addEventListener("focusin", (event) => indexOf(event) !== here && look(indexOf(event), pinned, false));
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      const fork = nearestFork();
      if (fork) wishes.sibling(fork[0], event.key === "ArrowUp" ? -1 : 1);
    } else if (event.key === "Escape" && !card.hidden) {
      close();
      spans[here]?.focus();
    } else if (event.target.closest(".jct-card")) {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      const buttons = [...card.querySelectorAll("button")], at = buttons.indexOf(event.target);
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? spans[here] : buttons[Math.min(next, buttons.length - 1)])?.focus();
    } else if (event.target.closest(".jct-token")) {
      const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: spans.length - 1 }[event.key];
      if (to !== undefined) look(Math.max(0, Math.min(spans.length - 1, to)), true, true);
      else if (event.key === "Enter" || event.key === " ") look(here, true, true);
      else if (event.key === "ArrowDown" && !card.hidden) card.querySelector("button")?.focus();
      else return;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // The fork at the token looked at, or the last one before it.
  function nearestFork() {
    const at = data.parts[places[here]?.part]?.name === "completion" ? places[here].at : Infinity;
    const before = data.forks.filter(([fork]) => fork <= at);
    return before.at(-1) ?? data.forks[0];
  }

  return {
    root, draw, nearestFork,
    weighed({ part, at, top }) {
      if (asked && asked.part === part && asked.last === at) {
        asked.top = top;
        if (places[here] === asked && !card.hidden) fill(asked);
      }
    },
  };
}

function legend() {
  const shares = Array.from({ length: POWERS + 1 }, (_, power) =>
    span(`jct-p${(power * LEVELS) / POWERS}`, `${100 / 10 ** power} %`));
  const bits = [1, 2, 3].map((one) => span(`jct-e${one}`, `${one}`));
  return div("jct-legend",
    "Background: how likely the token was, ", ...spaced(shares), " or less. A likely token is not necessarily a correct one. ",
    "Underline: how open the choice was, ", ...spaced(bits), " bits or more.");
}

const td = (...given) => make("td", {}, ...given);
const spaced = (nodes) => nodes.flatMap((node, place) => (place ? [" ", node] : [node]));

const tokensView = viewOf((el, line) => {
  const part = tokensPart({
    branch: (at, token) => line.say("branch", { at, token }),
    sibling: (at, step) => line.say("sibling", { at, step }),
    weigh: (index, at) => line.say("weigh", { part: index, at }),
    closed: () => line.alive.state === "gone",
  });
  let last = {};
  const said = make("div", { className: "jct-numbers", role: "status" });
  el.append(div("jc-view", part.root, said));
  return {
    shown: (told) => (part.draw((last = told)), (said.textContent = "")),
    dead: () => part.draw(last),
    weighed: part.weighed,
    refused: ({ text }) => (said.textContent = text),
  };
});
