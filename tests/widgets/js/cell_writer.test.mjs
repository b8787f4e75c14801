// A cell is written below the one that asks, of either kind; the one it wrote before is replaced unless it was changed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, cellWriter } from "./page.mjs";

class Cell {
  constructor({ cell_type, source, metadata = {} }, id) {
    Object.assign(this, { cell_type, source, metadata, id });
  }
  getMetadata(key) {
    return this.metadata[key];
  }
}

// A notebook as JupyterLab shares it, of which the page shows every cell.
class Notebook {
  constructor(sources, readOnly = false) {
    this.made = 0;
    this.cells = sources.map((source) => new Cell({ cell_type: "code", source }, `id${this.made++}`));
    this.readOnly = readOnly;
  }
  insertCell(at, cell) {
    this.cells.splice(at, 0, new Cell(cell, `id${this.made++}`));
  }
  deleteCell(at) {
    this.cells.splice(at, 1);
  }
  transact(act) {
    act();
  }
  get listed() {
    return this.cells.map((cell) => `${cell.cell_type}: ${cell.source}`);
  }
}

// Run the cell `at` of the notebook, which writes `source`; what it said of it.
async function written(notebook, at, kind, source, hidden = false) {
  const page = new Shown(cellWriter, { number: 1, kind, source, meanwhile: "the text" });
  const root = document.createElement("div");
  root.className = "jp-Notebook";
  notebook.cells.forEach((_, number) => {
    const cell = document.createElement("div");
    cell.className = "jp-Cell";
    if (number === at) cell.append(page.el);
    root.append(cell);
  });
  page.model.widget_manager = { context: { model: { readOnly: notebook.readOnly, sharedModel: notebook } } };
  if (!hidden) document.body.append(root);
  await new Promise((done) => setTimeout(done, 60));
  assert.equal(page.find("pre").textContent, "the text");
  root.remove();
  return page.sent.at(-1);
}

const two = () => new Notebook(["%%complete --cell\nThe mean", "later"]);

for (const kind of ["markdown", "code"])
  test(`a ${kind} cell is written below`, async () => {
    const notebook = two();
    assert.deepEqual(await written(notebook, 0, kind, "# Text"), { do: "end", made: true });
    assert.deepEqual(notebook.listed, ["code: %%complete --cell\nThe mean", `${kind}: # Text`, "code: later"]);
  });

test("run again it replaces its own cell, wherever that was moved", async () => {
  const notebook = two();
  await written(notebook, 0, "markdown", "first");
  notebook.cells.reverse();
  await written(notebook, 2, "code", "second");
  await written(notebook, 2, "code", "second");
  assert.deepEqual(notebook.listed, ["code: later", "code: second", "code: %%complete --cell\nThe mean"]);
});

test("a cell that somebody changed stays, and another is written", async () => {
  const notebook = two();
  await written(notebook, 0, "markdown", "first");
  notebook.cells[1].source = "first, and my own words";
  await written(notebook, 0, "markdown", "second");
  assert.deepEqual(notebook.listed.slice(1), ["markdown: second", "markdown: first, and my own words", "code: later"]);
});

test("the cell of another cell stays", async () => {
  const notebook = two();
  await written(notebook, 0, "markdown", "first");
  await written(notebook, 2, "markdown", "second");
  assert.deepEqual(notebook.listed.slice(1), ["markdown: first", "code: later", "markdown: second"]);
});

test("a notebook that cannot be written is told of", async () => {
  const notebook = new Notebook(["%%complete --cell\nThe mean"], true);
  assert.deepEqual(await written(notebook, 0, "markdown", "x"), { do: "end", made: false });
  assert.equal(notebook.cells.length, 1);
});
