// Where the nodes of a tree go: steps from left to right, likely words straight on.

const ROW = 28;
const GAP = 40;
const PADDING = 9;
const WIDE = /[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\u{1f000}-\u{3ffff}]/u;
const ORDER = ["greedy", "beam", "samples"];

/** Estimates the width of a text of 14 px, alike in every browser. */
export function measure(text) {
  return [...text].reduce((sum, letter) => sum + (WIDE.test(letter) ? 14.5 : 8), 0);
}

/** Links the nodes of a comparison: adds number, depth, label and children, in drawing order. */
export function linkNodes(tree, labels) {
  const nodes = tree.map((node, number) => ({ ...node, number, children: [] }));
  for (const node of nodes) {
    const parent = nodes[node.parent ?? -1];
    node.depth = parent ? parent.depth + 1 : 0;
    node.label = node.ended ? labels.end : (node.token ?? labels.start);
    parent?.children.push(node);
  }
  for (const node of nodes) sortChildren(node);
  return nodes;
}

function sortChildren(node) {
  const rank = (child) => {
    const place = ORDER.findIndex((name) => child.searches.includes(name));
    return place < 0 || child.kept === false ? ORDER.length : place;
  };
  node.children.sort((a, b) => rank(a) - rank(b) || b.log_prob - a.log_prob);
  // Short branches stay close to the word that they leave.
  const [first, ...rest] = node.children;
  const isShort = (child) => child.children.length === 0;
  if (first) node.children = [first, ...rest.filter(isShort), ...rest.filter((x) => !isShort(x))];
}

/** Gives every node x, y, width, and the right end of its column; returns the size of the whole drawing. */
export function placeNodes(nodes) {
  const widths = [];
  for (const node of nodes) {
    node.width = measure(node.label) + 2 * PADDING;
    widths[node.depth] = Math.max(widths[node.depth] ?? 0, node.width);
  }
  const lefts = [12];
  widths.forEach((width, depth) => lefts.push(lefts[depth] + width + GAP));
  const free = widths.map(() => 0);
  if (nodes.length) place(nodes[0], 0, free, lefts);
  for (const node of nodes) node.right = lefts[node.depth + 1] - GAP;
  return { width: lefts.at(-1) - GAP + 12, height: Math.max(...free, 1) * ROW + 12 };
}

function place(node, row, free, lefts) {
  node.x = lefts[node.depth];
  node.y = row * ROW + ROW / 2 + 6;
  free[node.depth] = row + 1;
  node.children.forEach((child, index) => {
    place(child, index ? findRow(child, free, row) : row, free, lefts);
  });
}

/** Finds the first row that is free along the straight line which begins with a node. */
function findRow(node, free, above) {
  let row = above + 1;
  for (let next = node; next; next = next.children[0]) row = Math.max(row, free[next.depth]);
  return row;
}

/** Lists the nodes from the beginning to a node, without the beginning itself. */
export function listPath(nodes, node) {
  const path = [];
  for (let next = node; next.parent !== null; next = nodes[next.parent]) path.unshift(next);
  return path;
}
