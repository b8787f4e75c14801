// The code of a completion into a new cell of the front end's own notebook.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, panel, snapshot } from "./page.mjs";

// A notebook of JupyterLab with `many` cells, of which those `there` are on the page; the panel stands in cell `at`.
function notebook(page, { many = 3, at = 1, there = [0, 1, 2], readOnly = false } = {}) {
  const inserted = [], root = document.createElement("div");
  root.className = "jp-Notebook";
  for (const number of there) {
    const cell = document.createElement("div");
    cell.className = "jp-Cell";
    cell.dataset.windowedListIndex = number;
    if (number === at) cell.append(page.el);
    root.append(cell);
  }
  document.body.append(root);
  const sharedModel = { cells: { length: many }, insertCell: (place, cell) => inserted.push([place, cell.cell_type, cell.source]) };
  page.model.widget_manager = { context: { model: { readOnly, sharedModel } } };
  return inserted;
}

function insert(page) {
  page.button("Into a new cell").click();
  return new Promise((done) => setTimeout(done));
}

const said = (page) => page.find(".jcp-status").textContent;

test("the code is written into a cell below the panel's", async () => {
  const page = new Shown(panel, snapshot()), inserted = notebook(page);
  await insert(page);
  assert.deepEqual(inserted, [[2, "code", "%%complete\nThe mean"]]);
  assert.match(said(page), /new cell below/);
});

test("a cell is counted by its number where a long notebook is on the page in part", async () => {
  const page = new Shown(panel, snapshot()), inserted = notebook(page, { many: 40, at: 30, there: [29, 30, 31] });
  await insert(page);
  assert.equal(inserted[0][0], 31);
});

test("where there is no notebook the code is selected to be copied, and that is said", async () => {
  const page = new Shown(panel, snapshot());
  await insert(page);
  assert.match(said(page), /^This front end takes no new cell from a panel\. The code is selected/);
  assert.equal(getSelection().toString(), "%%complete\nThe mean");
});

test("a notebook that cannot be written stays as it is", async () => {
  const page = new Shown(panel, snapshot()), inserted = notebook(page, { readOnly: true });
  await insert(page);
  assert.deepEqual(inserted, []);
  assert.match(said(page), /takes no new cell/);
});
