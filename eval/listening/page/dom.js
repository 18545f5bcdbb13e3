// Making elements, and showing one screen at a time.

/** An element with properties (text, class, on… handlers, attributes) and children. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A codec's marker in its colour, { colour, path } as the server tells it; the same as in every plot. */
export function sign({ colour, path }) {
  const [svg, shape] = ["svg", "path"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  for (const [key, value] of Object.entries({ class: "sign", viewBox: "-6.5 -6.5 13 13", "aria-hidden": "true" })) svg.setAttribute(key, value);
  for (const [key, value] of Object.entries({ d: path, fill: colour, stroke: colour })) shape.setAttribute(key, value);
  svg.append(shape);
  return svg;
}

/** Replaces the screen; its heading gets the focus, so that screen readers and keyboards start there. */
export function show(...children) {
  const main = document.getElementById("main");
  main.replaceChildren(...children);
  const heading = main.querySelector("h1");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    document.title = heading.textContent;
  }
  window.scrollTo(0, 0);
}

/** A line for everybody at the bottom of the window; empty takes it away. */
export function notify(text) {
  document.getElementById("notice").textContent = text;
}

/** A key as it is printed on a keyboard. */
export const key = (name) => el("kbd", { text: name });
