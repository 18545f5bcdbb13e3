// The invitation: what it is about, a name, consent, and what else the runner of the test asks.

import { Refused } from "./api.js";
import { el } from "./dom.js";

/** Markdown that the server has made into HTML, without anything that runs. */
function prose(html) {
  const node = el("div", { class: "prose" });
  node.innerHTML = html;
  return node;
}

const own = () => [
  el("p", { class: "lead", text: "You will hear short recordings that went through audio codecs, and say how good they sound. No special knowledge is needed, only a quiet room and good headphones." }),
  el("ul", {}, ...[
    "First you set the volume and check your headphones, then you practise once.",
    "You can stop at any time. Every rating is stored at once; open the same link again to go on.",
    "Stored are the name you give, your ratings, and how long you take. Whoever invited you deletes them if you ask.",
  ].map((text) => el("li", { text }))),
];
const CONSENT = "I take part of my own free will, and my ratings may be stored and published without my name.";

function ask({ id, text, kind, options, optional }) {
  const name = `question-${id}`;
  const facts = { id: name, required: !optional, autocomplete: "off" };
  const input = kind === "choice"
    ? el("select", facts, el("option", { value: "", text: "Please choose" }), ...options.map((option) => el("option", { value: option, text: option })))
    : el("input", { ...facts, type: "text", maxlength: 500, inputmode: kind === "number" ? "decimal" : null, pattern: kind === "number" ? "[0-9]+([.][0-9]+)?" : null });
  return { id, input, node: el("div", { class: "question" }, el("label", { for: name, text: optional ? `${text} (optional)` : text }), input) };
}

/** Shows it by `screen`; `join(name, answers)` is called with what was filled in. */
export function welcome(screen, { title, instructions, consent, questions }, join) {
  const known = new URLSearchParams(location.search).get("PROLIFIC_PID") ?? "";
  const name = el("input", { type: "text", id: "name", maxlength: 40, required: true, autocomplete: "off", spellcheck: "false", value: known });
  const agree = el("input", { type: "checkbox", id: "agree", required: true });
  const problem = el("p", { class: "problem", role: "alert" });
  const asked = questions.map(ask);
  const agreed = el("label", { for: "agree" }, consent ? prose(consent) : CONSENT);
  const form = el("form", {},
    el("label", { for: "name", text: "Your name, or any name that you will recognise" }), name,
    ...asked.map(({ node }) => node),
    el("div", { class: "agree" }, agree, agreed),
    problem,
    el("button", { class: "primary", text: "Take part" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await join(name.value.trim(), Object.fromEntries(asked.map(({ id, input }) => [id, input.value.trim()]).filter(([, answer]) => answer)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
      name.focus();
    }
  });
  screen(el("section", { class: "card narrow" }, el("h1", { text: title }), ...(instructions ? [prose(instructions)] : own()), form));
}
