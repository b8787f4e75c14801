// Whether the kernel that made a widget lives: what the front end tells of it, and what the kernel itself answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Model, Shown, panel, tokens } from "./page.mjs";

const { aliveOf } = panel;
const OWN = "a1b2";

class Signal {
  slots = [];
  connect(slot) {
    this.slots.push(slot);
  }
  disconnect(slot) {
    this.slots = this.slots.filter((one) => one !== slot);
  }
  emit(what) {
    for (const slot of [...this.slots]) slot(null, what);
  }
}

// A kernel connection as JupyterLab lends it: `comms` are those that its kernel holds, none answers where it is silent.
class Kernel {
  statusChanged = new Signal();
  connectionStatusChanged = new Signal();
  constructor(comms, { id = "k1", status = "idle" } = {}) {
    Object.assign(this, { comms, id, status, asked: [], sent: [] });
  }
  sendControlMessage(message) {
    const future = { done: Promise.resolve() };
    this.asked.push(message.content.target_name);
    this.sent.push(future);
    if (this.comms) queueMicrotask(() => this.answer());
    return future;
  }
  answer(content = { status: "ok", comms: Object.fromEntries(this.comms.map((one) => [one, {}])) }) {
    this.sent.at(-1).onReply({ content });
  }
}

function widget(kernel) {
  const model = new Model({ _urgent: OWN, shown: { number: 1 } });
  model.widget_manager = { kernel, context: { sessionContext: { kernelChanged: new Signal() } } };
  return model;
}

function watched(kernel) {
  const model = widget(kernel), told = [];
  return { model, told, alive: aliveOf(model, (state) => told.push(state)) };
}

const settled = () => new Promise((done) => setTimeout(done));

test("a kernel that holds the widget's comm is alive", async () => {
  const { told, alive } = watched(new Kernel([OWN, "other"]));
  assert.equal(alive.state, "unknown");
  await settled();
  assert.deepEqual(told, ["live"]);
});

test("a kernel that does not, is another than the one that made it", async () => {
  const { told } = watched(new Kernel(["other"]));
  await settled();
  assert.deepEqual(told, ["gone"]);
});

for (const status of ["restarting", "autorestarting", "terminating", "dead"]) {
  test(`a kernel that is ${status} is gone at once, and for ever`, async () => {
    const kernel = new Kernel([OWN]), { told, alive } = watched(kernel);
    await settled();
    kernel.statusChanged.emit(status);
    kernel.statusChanged.emit("idle");
    alive.check();
    await settled();
    assert.deepEqual(told, ["live", "gone"]);
  });
}

test("a kernel that was restarted by another page is asked as it starts", async () => {
  const kernel = new Kernel([OWN]), { told } = watched(kernel);
  await settled();
  kernel.comms = [];
  kernel.statusChanged.emit("starting");
  await settled();
  assert.deepEqual(told, ["live", "gone"]);
});

test("a notebook that was given another kernel has left this one", async () => {
  const kernel = new Kernel([OWN]), { model, told } = watched(kernel);
  await settled();
  model.widget_manager.context.sessionContext.kernelChanged.emit({ oldValue: kernel, newValue: new Kernel([], { id: "k2" }) });
  assert.deepEqual(told, ["live", "gone"]);
});

test("a lost connection says nothing of the kernel; it is asked once the connection is back", async () => {
  const kernel = new Kernel([OWN]), { told, alive } = watched(kernel);
  await settled();
  kernel.connectionStatusChanged.emit("connecting");
  assert.deepEqual([alive.state, alive.silent], ["unknown", true]);
  kernel.connectionStatusChanged.emit("connected");
  await settled();
  assert.deepEqual(told, ["live", "unknown", "live"]);
});

test("a kernel that does not answer in time is unknown, until it does", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const kernel = new Kernel(null), { alive, told } = watched(kernel);
  context.mock.timers.tick(4999);
  assert.equal(alive.silent, false);
  context.mock.timers.tick(1);
  assert.deepEqual([alive.state, alive.silent], ["unknown", true]);
  kernel.comms = [OWN];
  kernel.answer();
  assert.deepEqual(told, ["unknown", "live"]);
});

test("a kernel whose answer was lost is asked again until one comes", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const kernel = new Kernel(null), { alive, told } = watched(kernel);
  context.mock.timers.tick(5000);
  assert.equal(alive.silent, true);
  kernel.comms = [OWN];
  context.mock.timers.tick(5000);
  await null;
  assert.equal(kernel.asked.length, 2);
  assert.deepEqual([told, alive.silent], [["unknown", "live"], false]);
  context.mock.timers.tick(60000);
  assert.equal(kernel.asked.length, 2);
});

test("a notebook without a kernel, and none in sight, shows what was saved", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { told } = watched(null);
  assert.deepEqual(told, []);
  context.mock.timers.tick(5000);
  assert.deepEqual(told, ["gone"]);
});

test("a front end that lends no kernel is believed where it says that the comm is closed", () => {
  const model = new Model({ _urgent: OWN }), told = [];
  aliveOf(model, (state) => told.push(state));
  assert.deepEqual(told, []);
  for (const handler of model.handlers.get("comm_live_update")) handler();
  assert.deepEqual(told, ["gone"]);
});

test("a view whose kernel is gone says so, offers to run its cell, and asks nothing more", () => {
  const page = new Shown(tokens, { parts: [] }, {}), notice = page.find(".jc-alive");
  assert.equal(notice.hidden, true);
  for (const handler of page.model.handlers.get("comm_live_update")) handler();
  assert.match(notice.textContent, /as it was saved: the kernel that made it is gone/);
  assert.ok(page.button("Run the cell again"));
  page.tell("more", {});
  page.miss();
  page.tell("more", {});
  assert.deepEqual(page.sent, []);
});

test("the cell is run by the notebook's own button, after the extension was loaded", () => {
  const page = new Shown(tokens, { parts: [] }, {}), done = [];
  const kernel = { requestExecute: ({ code }) => done.push(code) };
  page.model.widget_manager = { kernel };
  const notebook = document.createElement("div"), cell = document.createElement("div"), run = document.createElement("button"), bar = document.createElement("div");
  notebook.className = "jp-NotebookPanel";
  cell.className = "jp-Cell";
  bar.dataset.jpItemName = "run";
  bar.append(run);
  cell.append(page.el);
  notebook.append(bar, cell);
  document.body.append(notebook);
  run.addEventListener("click", () => done.push("run"));
  cell.addEventListener("mousedown", () => done.push("this cell"));
  page.button("Run the cell again").click();
  assert.deepEqual(done, ["%load_ext jupyter_complete", "this cell", "run"]);
});

test("where the page has no such button, it says which keys do it", () => {
  const page = new Shown(tokens, { parts: [] }, {});
  page.button("Run the cell again").click();
  assert.match(page.find(".jc-alive").textContent, /press Shift\+Enter/);
});
