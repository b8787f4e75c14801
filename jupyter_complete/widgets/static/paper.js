// The copy of a text that lies under the field it is edited in: it gives the field its height, carries the marks, and
// knows where on the page a place of the text is. Each line is a block, and only those that changed are drawn again.
function copyPart() {
  const root = make("div", { className: "jcp-copy", "aria-hidden": "true" });
  let lines = [[]], keys = [""];

  function drawn(line) {
    return div("jcp-line", ...line.map(([who, text]) => span(`jcp-by-${who}`, shield(text))), "\u200b");
  }

  return {
    root,
    draw(pieces) {
      const now = linesOf(pieces), named = now.map((line) => line.map(([who, text]) => `${who}\0${text}`).join("\0"));
      const old = root.childElementCount ? keys : [], least = Math.min(old.length, named.length);
      let head = 0, tail = 0;
      while (head < least && old[head] === named[head]) head += 1;
      while (tail < least - head && old.at(-1 - tail) === named.at(-1 - tail)) tail += 1;
      for (let gone = old.length - head - tail; gone > 0; gone -= 1) root.children[head].remove();
      const behind = root.children[head] ?? null;
      for (const line of now.slice(head, now.length - tail)) root.insertBefore(drawn(line), behind);
      [lines, keys] = [now, named];
    },
    // The rectangle of the character before a place of the text, on the page.
    rect(place) {
      let at = 0, left = place;
      while (at < lines.length - 1 && left > lengthOf(lines[at])) left -= lengthOf(lines[at++]) + 1;
      let part = 0;
      while (part < lines[at].length - 1 && left > lines[at][part][1].length) left -= lines[at][part++][1].length;
      const text = root.children[at]?.childNodes[part]?.firstChild;
      if (!text || !left) return root.children[at]?.getBoundingClientRect();
      const range = document.createRange(), end = shield(lines[at][part][1].slice(0, left)).length;
      range.setStart(text, Math.max(0, end - 1));
      range.setEnd(text, end);
      return range.getBoundingClientRect?.() ?? null;
    },
  };
}

const lengthOf = (line) => line.reduce((sum, [, text]) => sum + text.length, 0);

// The pieces of each line of a text.
function linesOf(pieces) {
  const lines = [[]];
  for (const [who, text] of pieces) {
    text.split("\n").forEach((one, place) => {
      if (place) lines.push([]);
      if (one) lines.at(-1).push([who, one]);
    });
  }
  return lines;
}

// Keeps a place of a scrolled box in sight while text grows there, until the reader scrolls it away; who scrolls it
// back into sight has it followed again.
function followPart(box, rect) {
  let on = true, mine = -1;
  const inSight = () => {
    const here = rect(), frame = box.getBoundingClientRect();
    return !here || (here.bottom >= frame.top && here.top <= frame.bottom);
  };
  // Who scrolls is heard of late, after the next text has come.
  const look = () => {
    if (box.scrollTop !== mine) on = inSight();
    mine = box.scrollTop;
  };
  box.addEventListener("scroll", look);
  return {
    begin() {
      [on, mine] = [true, box.scrollTop];
      box.scrollIntoView?.({ block: "nearest" });
    },
    keep() {
      look();
      const here = on && rect(), frame = box.getBoundingClientRect();
      if (!here) return;
      const below = here.bottom + MARGIN - frame.bottom, above = here.top - MARGIN - frame.top;
      if (below > 0) box.scrollTop += below;
      else if (above < 0) box.scrollTop += above;
      else return;
      mine = box.scrollTop;
    },
  };
}

const MARGIN = 24; // pixels between the new text and the border of its box
