// The settings as controls, with the defaults of the model.

import { element, find } from "./dom.js";
import { nameSetting, say } from "./words.js";

/** Builds the controls; `onchange` is called after each change of `state`. */
export function buildSettings(state, onchange) {
  const model = state.describe(state.model);
  const controls = model.settings.map((item) => makeControl(item, state, onchange));
  const back = element("button", { type: "button" }, say("defaults"));
  back.addEventListener("click", () => {
    state.settings = {};
    state.context = null;
    buildSettings(state, onchange);
    onchange();
  });
  const grid = element("div", { class: "grid" }, makeContext(model, state, onchange), ...controls);
  const about = element("p", { class: "quiet" }, describeModel(model));
  find("settings").replaceChildren(grid, element("div", { class: "row" }, about, back));
}

/** Keeps of settings that are texts those that a model has, as its values. */
export function readSettings(model, texts) {
  const read = {};
  for (const item of model.settings) {
    const text = texts[item.name];
    if (text === undefined) continue;
    if (item.kind === "bool") read[item.name] = text === "true";
    else if (text !== "" && Number.isFinite(Number(text))) read[item.name] = Number(text);
  }
  return read;
}

function makeControl(item, state, onchange) {
  const value = state.settings[item.name] ?? item.default;
  const isSwitch = item.kind === "bool";
  const step = item.kind === "int" ? 1 : "any";
  const input = element("input", isSwitch
    ? { type: "checkbox", checked: value }
    : { type: "number", value, step, min: item.low, max: item.high });
  input.addEventListener("change", () => {
    if (!isSwitch && (input.value === "" || !input.reportValidity())) return;
    const now = isSwitch ? input.checked : Number(input.value);
    if (now === item.default) delete state.settings[item.name];
    else state.settings[item.name] = now;
    onchange();
  });
  return makeLabel(nameSetting(item.name), input, { title: item.help });
}

function makeContext(model, state, onchange) {
  const most = model.context_turns;
  const value = state.context ?? most;
  const input = element("input", { type: "number", min: 1, max: most, value, disabled: most === 1 });
  input.addEventListener("change", () => {
    if (input.value === "" || !input.reportValidity()) return;
    state.context = Number(input.value) === most ? null : Number(input.value);
    onchange();
  });
  return makeLabel(say("context"), input, {});
}

function makeLabel(text, input, attributes) {
  return element("label", { class: "setting", ...attributes }, element("span", {}, text), input);
}

function describeModel({ sizes, engine }) {
  const name = sizes.attention;
  return say("describe", {
    words: sizes.vocab_size, units: sizes.rnn_size, layers: sizes.num_layers, engine,
    attention: name ? say("withAttention", { name }) : say("withoutAttention"),
  });
}
