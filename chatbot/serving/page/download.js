// Saves what is shown as a file.

import { element } from "./dom.js";

const STYLES = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray",
  "font-family", "font-size", "font-style", "font-weight", "text-decoration",
];

/** Saves a comparison as JSON. */
export function saveJson(name, content) {
  save(`${name}.json`, "application/json", JSON.stringify(content, null, 1));
}

/** Saves a drawing as SVG that looks the same without the page's style sheet. */
export function saveSvg(name, drawing) {
  const copy = drawing.cloneNode(true);
  const [from, to] = [drawing, copy].map((one) => [one, ...one.querySelectorAll("*")]);
  from.forEach((each, place) => {
    const style = getComputedStyle(each);
    for (const property of STYLES) to[place].setAttribute(property, style.getPropertyValue(property));
    for (const unused of ["class", "tabindex", "data-node"]) to[place].removeAttribute(unused);
  });
  save(`${name}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(copy));
}

function save(name, type, text) {
  const href = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}
