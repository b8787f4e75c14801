// Whether the kernel that made a widget still lives. A restarted kernel knows nothing of the widgets of the one before:
// what a view shows then is what was stored, and nothing that it asks will be answered.

// milliseconds that a kernel is given to answer; its control channel answers while a cell runs
const GRACE = 5000;
const ENDS = ["restarting", "autorestarting", "terminating", "dead"];

// Watch a widget's kernel; `changed` is told each new state: "live", "gone", or "unknown" while nothing is heard.
// The state begins as "unknown". "gone" is final: a kernel that starts in its place makes widgets of its own.
function aliveOf(model, changed = () => {}) {
  const manager = model.widget_manager, session = manager?.context?.sessionContext, own = model.get("_urgent");
  const watched = new Map();
  let state = "unknown", silent = false, patience = 0;

  function become(next, quiet = false) {
    if (state === "gone" || (state === next && silent === quiet)) return;
    [state, silent] = [next, quiet];
    changed(state);
    if (state === "gone") stop();
  }

  function watch(signal, slot) {
    if (!signal?.connect || watched.has(signal)) return;
    signal.connect(slot);
    watched.set(signal, slot);
  }

  function stop() {
    clearTimeout(patience);
    for (const [signal, slot] of watched) signal.disconnect?.(slot);
    watched.clear();
    model.off?.("comm_live_update", doubt);
  }

  function follow(kernel) {
    watch(kernel?.statusChanged, (_, status) => (ENDS.includes(status) ? become("gone") : status === "starting" && check()));
    watch(kernel?.connectionStatusChanged, (_, status) => (status === "connected" ? check() : become("unknown", true)));
  }

  // Ask the kernel whether it holds this widget's comm. An answer that comes late counts too.
  function check() {
    const kernel = manager?.kernel;
    if (state === "gone" || kernel === undefined) return;
    later(unheard);
    if (!kernel) return;
    follow(kernel);
    if (ENDS.includes(kernel.status)) return become("gone");
    if (!own || !kernel.sendControlMessage) return clearTimeout(patience);
    try {
      const sent = kernel.sendControlMessage(controlMessage(kernel, { target_name: "jupyter.widget" }), true, true);
      sent.done?.catch(() => {});
      sent.onReply = ({ content }) => {
        clearTimeout(patience);
        if (content.status === "ok") become(own in content.comms ? "live" : "gone");
      };
    } catch {
      // a connection that takes no message: its next status says more
    }
  }

  function later(act) {
    clearTimeout(patience);
    patience = setTimeout(act, GRACE);
    patience.unref?.();
  }

  // An answer may have been lost on its way: it is asked again and again.
  function unheard() {
    if (!manager.kernel) return become("gone");
    become("unknown", true);
    if (state !== "gone") later(check);
  }

  // The front end has marked the comm as closed; where it lends no kernel to ask, that is all there is to know.
  function doubt() {
    if (manager?.kernel === undefined) become("gone");
    else check();
  }

  model.on("comm_live_update", doubt);
  watch(session?.kernelChanged, (_, { oldValue, newValue }) =>
    oldValue && oldValue.id !== newValue?.id ? become("gone") : check());
  check();
  return { get state() { return state; }, get silent() { return silent; }, check, stop };
}

const SAVED = "This is shown as it was saved: the kernel that made it is gone.";
const SILENT = "The kernel does not answer. What is asked of it follows when it does.";

// The line above a view that says so, with a button that brings the view back where the page can do that.
function aliveNotice(model, el, again = "Run the cell again") {
  const said = span("", ""), run = button(again, "Run this cell in the kernel that is there now", () => {
    if (!runAgain(model, el)) said.textContent = `${SAVED} Select this cell and press Shift+Enter to run it again.`;
  });
  const root = make("div", { className: "jc-alive", "aria-live": "polite", hidden: true }, said, " ", run);
  return {
    root,
    alive(state, silent) {
      root.hidden = state === "live" || (state === "unknown" && !silent);
      run.hidden = state !== "gone";
      said.textContent = state === "gone" ? `${SAVED} Run its cell again to get a live one.` : SILENT;
    },
  };
}

// Run the cell that shows a view; whether this page can. Front ends give a widget no command, but a button to click.
// The extension is loaded first: a restarted kernel does not know the magics of the cell.
function runAgain(model, el) {
  const cell = el.closest(".jp-Cell"), kernel = model.widget_manager?.kernel;
  const button = el.closest(".jp-NotebookPanel, .jp-Document")?.querySelector('[data-jp-item-name="run"] :is(jp-button, button)');
  if (!cell || !button || !kernel?.requestExecute) return false;
  try {
    kernel.requestExecute({ code: "%load_ext jupyter_complete", silent: true, store_history: false, stop_on_error: false });
  } catch {
    return false;
  }
  for (const place of [cell.querySelector(".jp-InputPrompt") ?? cell, button]) {
    for (const type of ["mousedown", "mouseup", "click"]) place.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true }));
  }
  return true;
}
