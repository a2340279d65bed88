// What stands beside the tree: the query with its attention, the likeliest words, the score.

import { element } from "./dom.js";
import { listPath } from "./layout.js";
import { percent, say, write } from "./words.js";

/** Makes the query's words; `shade` colours them by a share of attention each. */
export function makeQuery(query) {
  const words = query.tokens.map((token) => element("span", { class: "word" }, token));
  const strip = element("p", { class: "query" }, ...words);
  const shade = (shares = []) =>
    words.forEach((word, place) => {
      const share = shares[place] ?? 0;
      word.style.setProperty("--share", `${Math.round(75 * share)}%`);
      word.title = shares.length ? `${Math.round(100 * share)} %` : "";
    });
  return { strip, shade };
}

/** Lists the likeliest words where a node was chosen, each a way to decode on. */
export function listLikeliest(nodes, node, ontake) {
  const before = node.parent === null ? node : nodes[node.parent];
  const said = listPath(nodes, before).map((one) => one.token);
  const title = said.length ? say("after", { words: said.join(" ") }) : say("first");
  const rows = before.next.likeliest.map((word) => makeRow(word, node, said, ontake));
  const list = element("ol", { class: "likeliest" }, ...rows);
  return [element("h4", {}, `${say("likeliest")} ${title}`), list, describeChoice(node)];
}

function makeRow(word, node, said, ontake) {
  const bar = element("span", { class: "share" });
  bar.style.setProperty("--share", `${100 * Math.exp(word.log_prob ?? -Infinity)}%`);
  const isEnd = word.token === "<eos>";
  const name = isEnd ? say("end") : word.token;
  const label = element("span", { class: isEnd ? "name ended" : "name" }, name);
  const tag = word.banned ? element("span", { class: "banned" }, say("banned")) : null;
  const parts = [label, tag, bar, element("span", { class: "number" }, percent(word.log_prob))];
  const state = `${word.banned ? "is-banned" : ""} ${word.token === node.token ? "is-chosen" : ""}`;
  if (isEnd) return element("li", { class: `${state} plain` }, ...parts);
  const button = { type: "button", title: say("decodeOn", { word: name }) };
  const take = () => ontake([...said, word.token]);
  return element("li", { class: state }, element("button", { ...button, onclick: take }, ...parts));
}

function describeChoice(node) {
  if (node.parent === null || node.allowed_log_prob === node.log_prob) return null;
  const text = `${node.label}: ${percent(node.log_prob)}, ${say("allowed")} ${percent(node.allowed_log_prob)}`;
  return element("p", { class: "quiet" }, text);
}

/** Takes a reply's score apart, as a table. */
export function takeApart(reply, settings) {
  const { parts } = reply;
  const rows = [
    ["modelLogProb", reply.log_prob, {}, "quiet"],
    ["allowedLogProb", parts.allowed_log_prob],
    ["mmi", -settings.mmi_weight * parts.mmi, { weight: settings.mmi_weight, part: write(parts.mmi) }],
    ["divisor", parts.divisor],
  ];
  if (parts.coverage !== null) {
    const weight = settings.coverage_penalty;
    const values = { weight, part: write(parts.coverage) };
    rows.push(["coverage", weight * parts.coverage, values]);
  }
  rows.push(["total", reply.score, {}, "total"]);
  return [
    element("h4", {}, say("parts")),
    element("p", { class: "reply-text" }, reply.text || say("empty")),
    element("table", { class: "parts" }, element("tbody", {}, ...rows.map(makePart))),
  ];
}

function makePart([key, value, values, kind]) {
  const head = element("th", { scope: "row" }, say(key, values));
  return element("tr", { class: kind ?? null }, head, element("td", {}, write(value + 0)));
}
