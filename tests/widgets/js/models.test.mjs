// The model panel: what is resident, what can be loaded, and another by its name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shown, models, press } from "./page.mjs";

const shown = (changed = {}) => ({
  head: ["model", "weights"], residents: [["tiny", "tiny (default)", "1 MB"]], notes: [], default: "tiny", busy: false, said: "",
  sources: [["smollm2", "embedded"], ["mine", "your own object"]], dtypes: ["auto", "int8"], also: "", ...changed,
});
const rows = (page, label) => page.all(`table[aria-label="${label}"] tbody tr`).map((row) => [...row.cells].map((one) => one.textContent));

test("what can be loaded is seen without asking, each with a button", () => {
  const page = new Shown(models, shown());
  assert.deepEqual(rows(page, "Models to load"), [["smollm2", "embedded", "Load"], ["mine", "your own object", "Load"]]);
});

test("one of them is loaded with the type that is chosen", () => {
  const page = new Shown(models, shown());
  page.find("select").value = "int8";
  page.find('[aria-label="Load mine"]').click();
  assert.deepEqual(page.sent, [{ do: "load", name: "mine", dtype: "int8" }]);
});

test("another is loaded by the name that is written", () => {
  const page = new Shown(models, shown());
  const field = page.find("input");
  assert.equal(field.value, "");
  field.value = "org/name";
  press(field, "Enter");
  assert.deepEqual(page.sent, [{ do: "load", name: "org/name", dtype: "auto" }]);
});

test("the type stays as it was chosen", () => {
  const page = new Shown(models, shown());
  page.find("select").value = "int8";
  page.show(shown());
  assert.equal(page.find("select").value, "int8");
});

test("while one is loaded another cannot be, and that one be stopped", () => {
  const page = new Shown(models, shown({ busy: true }));
  assert.ok(page.all("button").filter((one) => one.textContent === "Load").every((one) => one.disabled));
  page.button("Stop").click();
  assert.deepEqual(page.wishes, ["stop"]);
});

test("what is resident is listed, with what can be done with it", () => {
  const page = new Shown(models, shown({ default: "other" }));
  assert.deepEqual(rows(page, "Resident models")[0].slice(0, 2), ["tiny (default)", "1 MB"]);
  page.button("Use").click();
  page.button("Unload").click();
  assert.deepEqual(page.sent, [{ do: "use", name: "tiny" }, { do: "unload", name: "tiny" }]);
});

test("where there is nothing to load by name no list is shown", () => {
  const page = new Shown(models, shown({ sources: [], residents: [] }));
  assert.equal(page.all("table").length, 0);
});
