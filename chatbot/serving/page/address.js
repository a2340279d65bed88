// The address after its "#": which models, settings and dialogue the page shows.

/** Reads {model, other, context, settings, turns, prefix}; values are texts. */
export function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const settings = {};
  for (const [name, value] of given) {
    if (name.startsWith("set.")) settings[name.slice(4)] = value;
  }
  return {
    model: given.get("model"),
    other: given.get("other"),
    context: Number(given.get("context")) || null,
    settings,
    turns: given.getAll("turn"),
    prefix: given.getAll("begin"),
  };
}

let known = location.hash;

/** Writes the same, without a new entry in the history, unless a person has just given another. */
export function writeAddress({ model, other, context, settings, turns, prefix }) {
  if (location.hash !== known) return; // the page is about to be loaded anew
  const given = new URLSearchParams();
  if (model) given.set("model", model);
  if (other) given.set("other", other);
  if (context) given.set("context", context);
  for (const [name, value] of Object.entries(settings)) given.set(`set.${name}`, value);
  for (const turn of turns) given.append("turn", turn);
  for (const word of prefix) given.append("begin", word);
  history.replaceState(null, "", `#${given}`);
  known = location.hash;
}
