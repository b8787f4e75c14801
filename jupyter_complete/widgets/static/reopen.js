// A panel whose kernel is gone: it goes on as an editor, says what it cannot do, and is opened again by one button.

const GONE = "The kernel of this panel is gone. You can write on, and the text is kept. To complete it, open the panel again.";
const ALONE = "The kernel of this panel is gone. Copy the text, then run this cell again.";
const QUIET_KERNEL = "The kernel does not answer. You can write on, and the text is kept; what was asked follows when it does.";

function reopenNotice(line, el) {
  const able = Boolean(notebookOf(line.model)), said = span("");
  const open = button("Open it again", "Load the extension in the kernel that is there now, and open this text in it", async () => {
    open.disabled = true;
    said.textContent = "The panel is being opened; it follows when the kernel is free.";
    const trouble = await reopen(line, el).catch((error) => `${error?.message ?? error}`);
    open.disabled = false;
    if (trouble) said.textContent = `It could not be opened: ${trouble}`;
  });
  const root = make("div", { className: "jc-alive", role: "status", hidden: true }, said, " ", open);
  return {
    root,
    alive({ state, silent }) {
      root.hidden = state !== "gone" && !silent;
      open.hidden = state !== "gone" || !able;
      said.textContent = state !== "gone" ? QUIET_KERNEL : able ? GONE : ALONE;
    },
  };
}

// Run the panel's line in the cell that shows it, whatever else the cell does; what went wrong, or nothing. The text
// comes back from the notebook.
async function reopen(line, el) {
  const { sessionContext } = notebookOf(line.model);
  const cell = await cellAround(line.model, el);
  if (!cell) return "this front end does not say which cell shows it. Run the cell.";
  line.document.flush();
  const before = sessionContext.session?.kernel;
  if (!before) await sessionContext.changeKernel({ name: sessionContext.prevKernelName || sessionContext.kernelPreference?.name });
  else if (["dead", "unknown"].includes(before.status)) await sessionContext.restartKernel();
  if (!sessionContext.session?.kernel) return "the notebook has no kernel. Choose one in the menu Kernel.";
  const reply = await loaded(sessionContext);
  if (!reply) return "the kernel does not answer. Restart it in the menu Kernel, then open the panel again.";
  if (reply.content.status !== "ok") return `${reply.content.ename}: ${reply.content.evalue}`;
  const { name, prompt } = line.model.get("document");
  const code = `__import__("jupyter_complete").panel(${JSON.stringify(name)}, ${JSON.stringify(prompt)})`;
  cell.outputArea.future = sessionContext.session.kernel.requestExecute({ code, stop_on_error: true }, false, { cellId: cell.model.id });
  return "";
}

// The kernel's reply to loading the extension. In the seconds after a kernel has died, a server may lose what is sent to
// the next one: a kernel that does nothing and does not reply is connected anew and asked again.
async function loaded(sessionContext) {
  for (const patience of [6000, 12000, 24000]) {
    const kernel = sessionContext.session?.kernel;
    const load = { code: "%load_ext jupyter_complete", silent: true, store_history: false, stop_on_error: false };
    const future = kernel.requestExecute(load);
    const reply = await Promise.race([future.done.catch(() => null), unheard(kernel, future, patience)]);
    if (reply) return reply;
    future.dispose();
    await Promise.race([kernel.reconnect().catch(() => {}), pause(patience)]);
  }
  return null;
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds, null));

// Nothing, once a kernel that is not busy has let this time pass without a reply.
async function unheard(kernel, future, patience) {
  do await pause(patience);
  while (kernel.status === "busy" && !future.isDisposed);
  return null;
}

// The front end's own cell around a view: what contains what is known to its widgets only.
async function cellAround(model, el) {
  const whole = await model.widget_manager.get_model(model.get("_urgent"));
  for (const made of Object.values(whole.views ?? {})) {
    const view = await made;
    if (!view.el?.contains(el)) continue;
    let widget = view.luminoWidget ?? view.pWidget;
    while (widget && !widget.outputArea) widget = widget.parent;
    if (widget) return widget;
  }
  return null;
}
