// Makes elements; text is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an HTML element with attributes, `on...` listeners, and children. */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Makes an SVG element in the same way. */
export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** Finds an element of the page by its id. */
export function find(id) {
  return document.getElementById(id);
}

/** Tells a screen reader something. */
export function announce(text) {
  find("status").textContent = text;
}
