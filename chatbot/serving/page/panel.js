// One comparison of one model: replies, tree, and what belongs to a word of it.

import { listLikeliest, makeQuery, takeApart } from "./details.js";
import { element } from "./dom.js";
import { saveJson, saveSvg } from "./download.js";
import { listPath } from "./layout.js";
import { findBest, makeColumns } from "./replies.js";
import { TreeView } from "./tree.js";
import { say } from "./words.js";

/** What the server found; `onpick` gets a reply, `onbegin` the words to decode on from. */
export class Panel {
  constructor(found, { onpick, onbegin }) {
    Object.assign(this, { found, onpick, onbegin });
    this.query = makeQuery(found.query);
    this.likeliest = element("section", { class: "card" });
    this.score = element("section", { class: "card" });
    const hooks = { onlook: (node) => this.#look(node), ontake: (node) => this.#take(node) };
    this.view = new TreeView(found.tree, hooks);
    this.drawing = element("div", { class: "drawing" }, this.view.element);
    this.columns = makeColumns(found.searches, (reply) => this.pick(reply));
    this.element = this.#assemble();
    this.pick(findBest(found.searches));
    this.view.lookAt(findBeginning(this.view.nodes, found.prefix.length));
  }

  /** Chooses the reply with which the dialogue goes on. */
  pick(reply) {
    this.columns.select(reply);
    this.view.select(reply.nodes);
    this.score.replaceChildren(...takeApart(reply, this.found.settings));
    this.#scroll(reply.nodes.at(-1), this.drawing.scrollLeft);
    this.onpick(reply);
  }

  /** Scrolls the tree, once it is on the page, to the word that it looks at. */
  reveal() {
    const { x = 0 } = this.view.findPlace(this.view.current) ?? {};
    this.#scroll(this.view.current, x - this.drawing.clientWidth / 3);
  }

  #scroll(number, left) {
    const { y = 0 } = this.view.findPlace(number) ?? {};
    this.drawing.scrollTo({ left, top: y - this.drawing.clientHeight / 2 });
  }

  #look(node) {
    const { nodes } = this.view;
    this.query.shade((nodes[node.parent] ?? node).next.attention);
    this.likeliest.replaceChildren(...listLikeliest(nodes, node, this.onbegin).filter(Boolean));
  }

  #take(node) {
    const reply = findReply(this.found, node);
    if (reply) this.pick(reply);
    else this.onbegin(listPath(this.view.nodes, node).map((one) => one.token));
  }

  #assemble() {
    const { found, view } = this;
    const tools = [makeControls(view), this.drawing, makeCaption(view, found)];
    const parts = [
      makeBeginning(found.prefix, this.onbegin),
      this.columns.element,
      makeReading(found, this.query.strip),
      element("section", {}, ...tools),
      element("div", { class: "details" }, this.likeliest, this.score),
    ];
    return element("div", { class: "panel" }, ...parts);
  }
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
