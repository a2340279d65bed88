// Greedy beside beam beside samples.

import { element } from "./dom.js";
import { say, write } from "./words.js";

/** Makes a column for each search; `onpick` is called with the reply that a person picks. */
export function makeColumns(searches, onpick) {
  const buttons = new Map();
  const columns = searches.map(({ name, replies }) => {
    const items = replies.map((reply) => element("li", {}, makeButton(reply, buttons, onpick)));
    const list = replies.length ? element("ol", {}, ...items) : element("p", {}, say("noReply"));
    const title = element("h4", {}, element("span", { class: `dot ${name}` }), say(name));
    return element("section", { class: `column ${name}` }, title, list);
  });
  const select = (picked) => {
    for (const [reply, button] of buttons) {
      button.setAttribute("aria-pressed", String(reply === picked));
    }
  };
  return { element: element("div", { class: "columns" }, ...columns), select };
}

function makeButton(reply, buttons, onpick) {
  const times = reply.times > 1 ? ` · ${say("times", { count: reply.times })}` : "";
  const button = element(
    "button",
    { type: "button", title: say("useReply"), onclick: () => onpick(reply) },
    element("span", { class: "text" }, reply.text || say("empty")),
    element("span", { class: "quiet" }, `${say("score")} ${write(reply.score)}${times}`),
  );
  buttons.set(reply, button);
  return button;
}

/** Finds the reply with which a dialogue goes on: the beam's best, else any search's. */
export function findBest(searches) {
  const order = ["beam", "greedy", "samples"];
  const sorted = [...searches].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  return sorted.find((search) => search.replies.length)?.replies[0];
}
