// The page: a dialogue, its models and settings, and the line that a person writes.

import { readAddress, writeAddress } from "./address.js";
import { fetchModels } from "./api.js";
import { announce, element, find } from "./dom.js";
import { buildSettings, readSettings } from "./settings.js";
import { Turn, explain, makeKeyForm } from "./turn.js";
import { EXAMPLES, say, translate } from "./words.js";

const DRAFT = "chatbot.draft";
const line = find("line");
const dialogue = find("dialogue");

const state = {
  models: [], model: "", other: "", settings: {}, context: null, turns: [],
  describe: (id) => state.models.find((model) => model.id === id),
};

/** Lists all turns before one, or all: the lines and the replies that were chosen. */
function listTurns(end = state.turns.length) {
  return state.turns.slice(0, end).flatMap((turn) => [turn.line, turn.reply]);
}

function keepAddress() {
  const last = state.turns.at(-1);
  const turns = last ? [...listTurns(state.turns.length - 1), last.line] : [];
  writeAddress({ ...state, turns, prefix: last?.prefix ?? [] });
}

function showBusy() {
  const isBusy = state.turns.some((turn) => turn.asking);
  find("stop").hidden = !isBusy;
  find("send").hidden = isBusy;
}

function addTurn(text) {
  const place = state.turns.length;
  const turn = new Turn(text, state, { before: () => listTurns(place), onreply: keepAddress, onask: ask });
  state.turns.at(-1)?.fold();
  state.turns.push(turn);
  dialogue.append(turn.element);
  find("welcome").hidden = true;
  return turn;
}

async function ask(turn, prefix) {
  const asked = turn.ask(prefix);
  showBusy();
  if (!prefix) turn.element.scrollIntoView({ block: "start" });
  await asked;
  showBusy();
  keepAddress();
}

function send() {
  const text = line.value.trim();
  if (!text || !state.model || state.turns.at(-1)?.asking) return;
  line.value = "";
  keepDraft();
  ask(addTurn(text));
}

function stop() {
  const turn = state.turns.at(-1);
  if (!turn?.stop()) return;
  if (!line.value) line.value = turn.line;
  keepDraft();
  showBusy();
  line.focus();
}

function reset() {
  stop();
  state.turns = [];
  dialogue.replaceChildren();
  find("welcome").hidden = false;
  keepAddress();
  line.focus();
}

function askAgain() {
  const turn = state.turns.at(-1);
  if (turn) ask(turn, turn.prefix);
  keepAddress();
}

function keepDraft() {
  sessionStorage.setItem(DRAFT, line.value);
  line.style.height = "auto";
  line.style.height = `${Math.min(line.scrollHeight + 2, 160)}px`;
}

function listen() {
  find("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  line.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  line.addEventListener("input", keepDraft);
  document.addEventListener("keydown", (event) => event.key === "Escape" && stop());
  window.addEventListener("hashchange", () => location.reload());
  find("stop").addEventListener("click", stop);
  find("reset").addEventListener("click", reset);
  find("copy-link").addEventListener("click", copyLink);
  find("open-settings").addEventListener("click", (event) => {
    const panel = find("settings");
    panel.hidden = !panel.hidden;
    event.currentTarget.setAttribute("aria-expanded", String(!panel.hidden));
  });
}

function tell(key) {
  announce(say(key));
  find("copy-link").textContent = say(key);
  setTimeout(() => { find("copy-link").textContent = say("copyLink"); }, 2500);
}

async function copyLink() {
  keepAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    tell("copied");
  } catch {
    tell("notCopied"); // only pages from this machine or by HTTPS may copy
  }
}

function buildModels() {
  const choose = (id, chosen, first) => {
    const options = state.models.map((model) => element("option", { value: model.id }, model.id));
    const select = find(id);
    select.replaceChildren(...first, ...options);
    select.value = chosen;
    select.addEventListener("change", () => {
      state[id] = select.value;
      buildSettings(state, askAgain);
      askAgain();
    });
  };
  choose("model", state.model, []);
  choose("other", state.other, [element("option", { value: "" }, say("none"))]);
  find("beside").hidden = state.models.length < 2;
}

function showExamples() {
  const buttons = EXAMPLES.map((text) =>
    element("button", { type: "button", onclick: () => ask(addTurn(text)) }, text),
  );
  find("examples").replaceChildren(...buttons);
}

/** Takes models, settings and dialogue from the address. */
function restore() {
  const given = readAddress();
  const known = (id) => (state.describe(id) ? id : "");
  state.model = known(given.model) || state.models[0].id;
  state.other = known(given.other);
  state.settings = readSettings(state.describe(state.model), given.settings);
  state.context = given.context;
  buildModels();
  buildSettings(state, askAgain);
  showExamples();
  for (let place = 0; place < given.turns.length; place += 2) {
    const turn = addTurn(given.turns[place]);
    if (place + 1 < given.turns.length) turn.recall(given.turns[place + 1]);
    else ask(turn, given.prefix);
  }
}

async function start() {
  try {
    state.models = await fetchModels();
    restore();
  } catch (error) {
    const again = element("button", { type: "button", onclick: start }, say("retry"));
    const cure = error.status === 401 ? makeKeyForm(start) : again;
    find("examples").replaceChildren(element("p", { role: "alert" }, explain(error)), cure);
  }
}

translate(document);
line.placeholder = say("placeholder");
line.value = sessionStorage.getItem(DRAFT) ?? "";
listen();
start();
if (matchMedia("(hover: hover)").matches) line.focus(); // on a phone a keyboard would open
