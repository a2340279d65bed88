// The tree of all hypotheses as SVG: hover, focus, keys, and the slider's steps.

import { shape } from "./dom.js";
import { drawEdge } from "./edges.js";
import { linkNodes, listPath, placeNodes } from "./layout.js";
import { percent, say } from "./words.js";

/** A tree on the page; `onlook` and `ontake` are called with a node. */
export class TreeView {
  constructor(tree, { onlook, ontake }) {
    this.nodes = linkNodes(tree, { start: say("start"), end: say("end") });
    this.depth = Math.max(...this.nodes.map((node) => node.depth));
    this.onlook = onlook;
    this.ontake = ontake;
    this.step = this.depth;
    this.withDropped = true;
    this.isArmed = true;
    this.element = shape("svg", { class: "tree", role: "tree", "aria-label": say("tree") });
    this.element.addEventListener("keydown", (event) => this.#press(event));
    this.draw();
  }

  /** Draws what the slider and the switch let show. */
  draw() {
    const shown = this.nodes.map((node) => this.#isShown(node));
    const view = this.nodes.map((node) => ({
      ...node, children: node.children.filter((child) => shown[child.number]),
    }));
    for (const node of view) node.children = node.children.map((child) => view[child.number]);
    this.view = view.filter((node) => shown[node.number]);
    const { width, height } = placeNodes(this.view);
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
      this.element.setAttribute(name, value);
    }
    this.parts = new Map(this.view.map((node) => [node.number, this.#drawNode(node)]));
    const isTaken = (node) => Number(node.searches.length > 0);
    const isBelow = (a, b) => isTaken(a) - isTaken(b) || a.log_prob - b.log_prob;
    const ends = this.view.slice(1).sort(isBelow); // the likeliest words' edges on top
    const edges = ends.map((node) => drawEdge(view[node.parent], node));
    this.element.replaceChildren(...edges, ...this.parts.values());
    this.#mark();
  }

  /** Shows the first steps alone. */
  showSteps(step) {
    this.step = step;
    this.#redraw();
  }

  /** Shows or hides what the beam dropped. */
  showDropped(isShown) {
    this.withDropped = isShown;
    this.#redraw();
  }

  /** Marks a reply's path. */
  select(numbers) {
    this.selected = new Set(numbers);
    this.#mark();
  }

  /** Looks at a node, as if a person hovered over it. */
  lookAt(node) {
    this.#look(node.number);
  }

  /** Finds a node as it is drawn; undefined where it is not. */
  findPlace(number) {
    return this.view.find((node) => node.number === number);
  }

  #redraw() {
    this.draw();
    if (!this.parts.has(this.current)) this.#look(0);
  }

  #isShown(node) {
    return node.depth <= this.step && (this.withDropped || node.searches.length > 0 || node.depth === 0);
  }

  #drawNode(node) {
    const state = `${node.ended ? " ended" : ""}${node.searches.length || !node.depth ? "" : " dropped"}`;
    const box = { x: node.x, y: node.y - 12, width: node.width, height: 24, rx: node.ended ? 12 : 7 };
    const label = shape("text", { x: node.x + node.width / 2, y: node.y + 5, "text-anchor": "middle" });
    label.textContent = node.label;
    const look = () => this.#look(node.number);
    const made = shape(
      "g",
      {
        class: `node${state}`, role: "treeitem", tabindex: -1, "data-node": node.number,
        "aria-level": node.depth + 1, "aria-label": describe(node), onmouseenter: look,
        onfocus: look, onclick: () => this.isArmed && this.ontake(this.nodes[node.number]),
        onpointerdown: (event) => this.#arm(event, node.number),
      },
      shape("title"), shape("rect", box), label,
    );
    made.firstChild.textContent = describe(node);
    if (node.children.length) made.setAttribute("aria-expanded", "true");
    return made;
  }

  /** Lets a click take a node; the first tap of a finger, which cannot hover, only looks. */
  #arm(event, number) {
    this.isArmed = event.pointerType !== "touch" || this.current === number;
  }

  #look(number) {
    if (this.current === number) return;
    this.current = number;
    this.#mark();
    this.onlook(this.nodes[number]);
  }

  #mark() {
    const current = this.nodes[this.current];
    const path = new Set(current ? listPath(this.nodes, current).map((node) => node.number) : []);
    for (const [number, part] of this.parts) {
      part.tabIndex = number === this.current ? 0 : -1;
      part.setAttribute("aria-selected", String(number === this.current));
      part.classList.toggle("path", path.has(number));
      part.classList.toggle("chosen", this.selected?.has(number) ?? false);
    }
  }

  #press(event) {
    const node = this.view.find((one) => one.number === this.current);
    if (event.key === "Enter" || event.key === " ") this.ontake(this.nodes[node.number]);
    const next = this.#findNext(node, event.key);
    if (event.key !== "Enter" && event.key !== " " && !next) return;
    event.preventDefault();
    this.parts.get(next?.number)?.focus();
  }

  #findNext(node, key) {
    if (key === "ArrowRight") return node.children[0];
    if (key === "ArrowLeft") return this.nodes[node.parent];
    if (key === "Home") return this.nodes[0];
    if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
    const sign = key === "ArrowDown" ? 1 : -1;
    const distance = (one) => sign * (one.y - node.y);
    const column = this.view.filter((one) => one.depth === node.depth && distance(one) > 0);
    return column.sort((a, b) => distance(a) - distance(b))[0];
  }
}

function describe(node) {
  if (!node.depth) return say("start");
  const names = node.searches.map((name) => say(name));
  if (node.kept === false) names.push(say("dropped"));
  const word = node.ended ? say("endWord") : node.token;
  return `${word}, ${say("probability")} ${percent(node.log_prob)}, ${names.join(", ")}`;
}
