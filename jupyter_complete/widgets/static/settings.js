// The settings, a control for each option that the kernel declares, those of a group together.
function settingsPart(controls) {
  const fields = new Map(), changed = new Set(); // names of controls that were set since the kernel last heard of them
  const root = div("jcp-settings");
  for (const control of controls) {
    const { name, help } = control, id = `jcp-${name}-${unique()}`;
    const field = fieldOf(control, { id, "aria-description": help });
    const offer = control.known ? offerFor(name, field) : null;
    fields.set(name, { control, field, offer });
    field.addEventListener("input", () => changed.add(name));
    const label = make("label", { htmlFor: id }, name.replaceAll("_", " ").trim());
    groupOf(control.group).append(make("div", { className: "jcp-control", title: help }, label, span("jcp-entry", field, offer)));
  }

  function groupOf(name) {
    if (root.lastChild?.firstChild.textContent !== name) root.append(make("fieldset", { className: "jcp-group" }, make("legend", {}, name)));
    return root.lastChild;
  }

  function fieldOf({ kind, low, high, values }, about) {
    if (kind === "switch") return make("input", { type: "checkbox", ...about });
    if (kind === "choice") return make("select", about, ...choices(values));
    if (kind.startsWith("text")) {
      return make("input", { type: "text", placeholder: kind === "texts" ? "several: a|b" : "", ...about });
    }
    return make("input", { type: "number", min: low ?? "", max: high ?? "", step: kind === "whole" ? 1 : "any", ...about });
  }

  // The names that are known, all of them whatever stands in the field; another may be written there.
  function offerFor(name, field) {
    return make("select", { className: "jcp-offer", "aria-label": `Known names for ${name}`, onchange({ target }) {
      [field.value, target.value] = [target.value, ""];
      changed.add(name);
    } });
  }

  // Several texts in one field: divided by |, with \n, \t and \r for what a field cannot hold.
  const signs = { n: "\n", t: "\t", r: "\r" }, lettersOf = new Map(Object.entries(signs).map(([letter, sign]) => [sign, letter]));
  const escaped = (text) => text.replace(/[\\|\n\t\r]/g, (one) => `\\${lettersOf.get(one) ?? one}`);
  const stops = (text) => (text.match(/(\\.|[^|\\]|\\$)+/gs) || []).map((one) =>
    one.replace(/\\(.)/gs, (_, letter) => signs[letter] ?? letter));

  return {
    root,
    // `lacks`: what the model's server cannot do, by the control's name, with a sentence for each.
    set(values, known, lacks = {}) {
      for (const [name, { control, field, offer }] of fields) {
        field.disabled = name in lacks;
        field.closest(".jcp-control").title = field.ariaDescription = lacks[name] ?? control.help;
        offer?.replaceChildren(...choices(known[control.known] || []));
        if (offer) offer.value = ""; // none is shown, so that each can be chosen
        if (!(name in values) || changed.has(name) || document.activeElement === field) continue;
        if (control.kind === "switch") field.checked = Boolean(values[name]);
        else if (control.kind === "texts") field.value = values[name].map(escaped).join("|");
        else field.value = values[name] ?? "";
      }
    },
    values() {
      const found = {};
      changed.clear();
      for (const [name, { control, field }] of fields) {
        if (control.kind === "switch") found[name] = field.checked;
        else if (control.kind === "texts") found[name] = stops(field.value);
        else if (field.value.trim()) found[name] = field.type === "number" ? Number(field.value) : field.value.trim();
      }
      return found;
    },
  };
}
