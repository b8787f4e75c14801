// One picture of the whole model, with its own numbers: tokens in, embeddings, layers, logits, softmax, token out.

function wholePart() {
  const flow = make("ol", { className: "jci-flow", "aria-label": "The whole model, from tokens to a token" });
  const root = div("", flow, div("jci-quiet", "The numbers are those of this model and of the step shown above."));
  const box = (name, ...lines) => make("li", { className: "jci-flow-box" }, make("b", {}, name), ...lines.map((line) => (typeof line === "string" ? div("", line) : line)));
  const many = (count) => count.toLocaleString("en");

  // What is picked is not shown before it is known in a quiz.
  function draw(found, running, open) {
    if (missing(found)) return flow.replaceChildren(make("li", {}, waiting(found)));
    const { layers, heads, vector, vocabulary, rows, picked } = found;
    const last = running.slice(-3).map(quoted).join(" "), shown = open ? rows : [];
    const layer = div("jci-flow-layer", div("", `attention: ${heads} heads collect from earlier positions`), div("", "MLP: changes each vector by itself"));
    flow.replaceChildren(
      box("Tokens", `${running.length} tokens${running.length > 3 ? ", the last of them" : ""}: ${last}`),
      box("Embeddings", `${running.length} vectors of ${many(vector)} numbers`),
      box(`${layers} layers`, "each adds to every vector:", layer),
      box("Logits", `the last vector becomes ${many(vocabulary)} numbers, one for each token`, ...shown.map(([text, logit]) => `${quoted(text)} ${number(logit)}`)),
      box("Softmax", "the logits become probabilities P", ...shown.map(([text, , prob]) => `${quoted(text)} ${percent(prob)}`)),
      box("Token", open ? `${quoted(picked)} is picked, added to the text, and all begins again` : "is shown once it is known"));
  }

  return { root, draw };
}
