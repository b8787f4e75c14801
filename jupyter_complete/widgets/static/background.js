// Text that is written in the background, with a button that ends it.

const backgroundView = viewOf((el, line) => {
  const text = make("div", { className: "jcb-text" });
  const heard = make("span", { className: "jcb-status", role: "status" });
  const stop = button("Stop", "End here and keep the text", () => {
    line.say("stop");
    heard.textContent = "stopping …";
  });
  const root = make("div", { className: "jc-view jcb", role: "group", "aria-label": "Completion in the background" },
    make("div", { className: "jcb-bar" }, stop, heard), text);
  let before = "", texts = [];

  function draw() {
    const numbered = texts.length > 1 ? texts.map((one, place) => `(${place + 1}) ${before}${one}`) : [before + (texts[0] ?? "")];
    text.textContent = visible(numbered.join("\n\n"));
  }

  el.append(root);
  return {
    dead() {
      if (stop.hidden) return;
      stop.hidden = true;
      heard.textContent = "The kernel ended before this text was done.";
    },
    shown(snapshot) {
      stop.hidden = Boolean(snapshot.done);
      heard.textContent = snapshot.footer || "";
      [before, texts] = [snapshot.before || "", snapshot.texts || []];
      draw();
    },
    waiting: (message) => (heard.textContent = message.text),
    text(message) {
      texts = message.texts;
      heard.textContent = "writing";
      draw();
    },
    more({ texts: added }) {
      if (added.length !== texts.length) return line.say("again");
      texts = texts.map((one, place) => one + added[place]);
      draw();
    },
    refused(message) {
      heard.textContent = message.text;
    },
  };
});
