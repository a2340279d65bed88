// One comparison of one model: replies, tree, and what belongs to a word of it.

import { listLikeliest, makeQuery, takeApart } from "./details.js";
import { element } from "./dom.js";
import { saveJson, saveSvg } from "./download.js";
import { listPath } from "./layout.js";
import { findBest, makeColumns } from "./replies.js";
import { TreeView } from "./tree.js";
import { say } from "./words.js";

/** Shows what the server found; `onpick` gets a reply, `onbegin` the words to decode on from. */
export function makePanel(found, { onpick, onbegin }) {
  const query = makeQuery(found.query);
  const likeliest = element("section", { class: "card" });
  const score = element("section", { class: "card" });
  const look = (node) => {
    query.shade((view.nodes[node.parent] ?? node).next.attention);
    likeliest.replaceChildren(...listLikeliest(view.nodes, node, onbegin).filter(Boolean));
  };
  const take = (node) => {
    const reply = findReply(found, node);
    if (reply) pick(reply);
    else onbegin(listPath(view.nodes, node).map((one) => one.token));
  };
  const view = new TreeView(found.tree, { onlook: look, ontake: take });
  const { columns, select } = makeColumns(found.searches, (reply) => pick(reply));
  const drawn = element("div", { class: "drawing" }, view.element);
  const pick = (reply) => {
    select(reply);
    drawn.scrollTop = (view.findRow(reply.nodes.at(-1)) ?? 0) - drawn.clientHeight / 2;
    view.select(reply.nodes);
    score.replaceChildren(...takeApart(reply, found.settings));
    onpick(reply);
  };
  const above = [makeBeginning(found.prefix, onbegin), columns, makeReading(found, query.strip)];
  const tools = [makeControls(view), drawn, makeCaption(view, found)];
  const below = element("div", { class: "details" }, likeliest, score);
  const panel = element("div", { class: "panel" }, ...above, element("section", {}, ...tools), below);
  pick(findBest(found.searches));
  view.lookAt(findBeginning(view.nodes, found.prefix.length));
  return panel;
}

/** Finds the word that follows the forced ones. */
function findBeginning(nodes, count) {
  let node = nodes[0];
  for (let step = 0; step <= count && node.children.length; step += 1) [node] = node.children;
  return node;
}

function findReply(found, node) {
  const replies = found.searches.flatMap((search) => search.replies);
  return node.ended ? replies.find((reply) => reply.nodes.at(-1) === node.number) : undefined;
}

function makeBeginning(prefix, onbegin) {
  if (!prefix.length) return null;
  const back = element("button", { type: "button", onclick: () => onbegin([]) }, say("fromStart"));
  const words = element("strong", {}, prefix.join(" "));
  return element("p", { class: "beginning" }, `${say("begins")} `, words, " ", back);
}

function makeReading(found, strip) {
  const without = found.tree[0].next.attention.length ? null : say("noAttention");
  const notes = [found.query.is_cut ? say("cut") : null, without].filter(Boolean).join(" ");
  const note = notes ? element("p", { class: "quiet" }, notes) : null;
  return element("section", { class: "reading" }, element("h4", {}, say("reads")), strip, note);
}

function makeControls(view) {
  const slider = element("input", {
    type: "range", min: 0, max: view.depth, value: view.depth, class: "steps", "aria-label": say("steps"),
  });
  const count = element("output", {}, `${view.depth} / ${view.depth}`);
  const show = (step) => {
    slider.value = step;
    count.textContent = `${step} / ${view.depth}`;
    view.showSteps(Number(step));
  };
  slider.addEventListener("input", () => show(slider.value));
  const play = element("button", { type: "button", onclick: () => playSteps(view, show) }, say("play"));
  const dropped = element("input", { type: "checkbox", checked: true });
  dropped.addEventListener("change", () => view.showDropped(dropped.checked));
  const legend = ["greedy", "beam", "samples", "dropped"].map((name) =>
    element("span", { class: "entry" }, element("span", { class: `line ${name}` }), say(name)),
  );
  return element(
    "div", { class: "controls" },
    element("div", { class: "legend" }, ...legend),
    element("div", { class: "stepping" }, play, element("label", {}, `${say("steps")} `, slider), count),
    element("label", {}, dropped, ` ${say("showDropped")}`),
  );
}

function makeCaption(view, found) {
  const name = found.query.tokens.join("_").slice(0, 40);
  const canHover = matchMedia("(hover: hover)").matches;
  return element(
    "div", { class: "caption" },
    element("p", { class: "quiet" }, say(canHover ? "hint" : "touchHint")),
    element("button", { type: "button", onclick: () => saveJson(name, found) }, say("json")),
    element("button", { type: "button", onclick: () => saveSvg(name, view.element) }, say("svg")),
  );
}

function playSteps(view, show) {
  clearInterval(view.playing);
  let step = 0;
  show(step);
  view.playing = setInterval(() => {
    show(++step);
    if (step >= view.depth) clearInterval(view.playing);
  }, 500);
}
