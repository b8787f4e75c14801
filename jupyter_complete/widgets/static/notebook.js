// The notebook around a view, where the front end lends a widget one: JupyterLab and Notebook 7 do.

const OURS = "jupyter_complete", WIDGET = "application/vnd.jupyter.widget-view+json";

function notebookOf(model) {
  const context = model.widget_manager?.context;
  return context?.model?.cells && context.model.sharedModel ? context : null;
}

function cellsOf(context) {
  const { cells } = context.model;
  return Array.from({ length: cells.length }, (_, at) => cells.get(at));
}

// The outputs of a cell as they will be saved.
const outputsOf = (cell) => cell.sharedModel.outputs ?? [];

// The same origin as that of the front end's own changes to what it already shows: the output is not drawn again.
function save(cell, at, output) {
  cell.sharedModel.updateOutputs(at, at + 1, [output], "silent-change");
}

// Where the notebook shows the widget `id`.
function placesOf(context, id) {
  return cellsOf(context).flatMap((cell) =>
    Array.from({ length: cell.outputs?.length ?? 0 }, (_, at) => ({ cell, at }))
      .filter(({ at }) => cell.outputs.get(at).data?.[WIDGET]?.model_id === id));
}

// Do what leaves the file as it is: a notebook without changes has none after it.
function quietly(context, act) {
  const clean = context.model.dirty === false;
  act();
  if (clean) context.model.dirty = false;
}

// A widget is not saved: without its kernel a front end shows an error in its place. What is saved is the text beside
// it, and the widget's id, by which `putBack` shows it again in a page that finds the kernel alive.
function leaveOut(context, id) {
  for (const { cell, at } of placesOf(context, id)) {
    const output = outputsOf(cell)[at];
    if (!output?.data?.[WIDGET]) continue;
    const { [WIDGET]: _, ...data } = output.data;
    save(cell, at, { ...output, data, metadata: { ...output.metadata, [OURS]: { view: id } } });
  }
}

function putBack(context, id) {
  for (const cell of cellsOf(context)) {
    outputsOf(cell).forEach((output, at) => {
      if (output.metadata?.[OURS]?.view !== id || cell.outputs.get(at).data?.[WIDGET]) return;
      const data = { ...output.data, [WIDGET]: { version_major: 2, version_minor: 0, model_id: id } };
      cell.outputs.set(at, { ...output, data });
    });
  }
}
