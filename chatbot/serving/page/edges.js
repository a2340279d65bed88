// The edges of a tree: a strand for each search, together as wide as the word is likely.

import { shape } from "./dom.js";

const THINNEST = 1.5;
const WIDEST = 9;

/** Draws the edge from a node's parent to it. */
export function drawEdge(parent, node) {
  const probability = Math.exp(node.log_prob ?? -Infinity);
  const names = node.searches.length ? node.searches : ["dropped"];
  const total = Math.max(THINNEST * names.length, WIDEST * probability);
  const each = total / names.length;
  const strands = names.map((name, place) =>
    shape("path", {
      class: `strand ${name}`,
      d: curve(parent, node, (place - (names.length - 1) / 2) * each),
      "stroke-width": each.toFixed(2),
      "stroke-dasharray": node.kept === false ? "5 4" : null,
    }),
  );
  return shape("g", { class: "edge", "aria-hidden": "true" }, ...strands);
}

function curve(parent, node, shift) {
  const [x, y] = [parent.x + parent.width, parent.y + shift];
  const [toX, toY] = [node.x, node.y + shift];
  const middle = (parent.right + toX) / 2; // so that it bends where no words are
  return `M${x} ${y}H${parent.right}C${middle} ${y} ${middle} ${toY} ${toX} ${toY}`;
}
