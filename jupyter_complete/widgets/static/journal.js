// What was typed and is not saved yet, in the browser's own store: a page that breaks off, with its kernel gone too,
// would take it along. It is forgotten once the notebook is saved.

function journalOf(context, name) {
  const key = `jupyter_complete ${context?.path ?? ""} ${name}`;
  const attempt = (act) => {
    try {
      return act(window.localStorage);
    } catch {
      return null; // a browser that keeps nothing
    }
  };
  return {
    write: (entry) => attempt((store) => store.setItem(key, JSON.stringify(entry))),
    read: () => attempt((store) => JSON.parse(store.getItem(key))),
    forget: () => attempt((store) => store.removeItem(key)),
  };
}
