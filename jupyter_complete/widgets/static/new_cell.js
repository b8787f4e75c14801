// A new cell below the one that shows a view, in the notebook that the front end has open; it is not run.

// Whether there is one now: front ends other than JupyterLab and Notebook 7 lend a widget no notebook.
function newCell(manager, el, source, cell_type = "code") {
  const notebook = manager?.context?.model, shared = notebook?.sharedModel;
  if (!shared?.insertCell || notebook.readOnly) return false;
  const at = placeOf(el.closest(".jp-Cell"), shared.cells.length);
  if (at < 0) return false;
  shared.insertCell(at + 1, { cell_type, source, metadata: { trusted: true } });
  return true;
}

// Which of so many cells this is; of a long notebook only those in sight are on the page, with their numbers.
function placeOf(cell, many) {
  if (!cell) return -1;
  const there = [...(cell.closest(".jp-Notebook")?.querySelectorAll(".jp-Cell") ?? [])];
  return there.length === many ? there.indexOf(cell) : Number(cell.dataset.windowedListIndex ?? -1);
}
