// Codecs that wait, run, failed or are done with, one after another. What is done stays done; what fails lets the rest go on.

import { el } from "./dom.js";

const STEPS = { waiting: 0, loading: 0.1, encoding: 0.35, decoding: 0.7 };

export class Queue extends EventTarget {
  #jobs = new Map(); // name → { name, state, step, error, abort }
  #busy = false;

  /** @param run async (name, step, signal): does the work, tells every step by `step(word)`. */
  constructor(run) {
    super();
    this.run = run;
  }

  /** Asks for a codec; again for one that failed or was cancelled. */
  want(name) {
    const job = this.#jobs.get(name);
    if (!job || job.state === "failed") this.#jobs.set(name, { name, state: "waiting", step: "waiting" });
    this.#changed();
    this.#work();
  }

  /** Takes a codec out, unless it is done. */
  drop(name) {
    const job = this.#jobs.get(name);
    if (!job || job.state === "done") return;
    job.abort?.abort();
    this.#jobs.delete(name);
    this.#changed();
  }

  /** Forgets everything: another sound is there. */
  clear() {
    for (const job of this.#jobs.values()) job.abort?.abort();
    this.#jobs.clear();
    this.#changed();
  }

  /** Jobs that are not done. */
  get open() {
    return [...this.#jobs.values()].filter(({ state }) => state !== "done");
  }

  async #work() {
    if (this.#busy) return;
    this.#busy = true;
    for (let job = this.#next(); job; job = this.#next()) {
      job.state = "running";
      job.abort = new AbortController();
      const step = (word) => {
        job.step = word;
        this.#changed();
      };
      try {
        step("waiting");
        await this.run(job.name, step, job.abort.signal);
        job.state = "done";
      } catch (error) {
        job.state = "failed";
        job.error = error.message;
      }
      this.#changed();
    }
    this.#busy = false;
  }

  #next() {
    return [...this.#jobs.values()].find(({ state }) => state === "waiting");
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** A chip for every codec that is not done: its state, a bar, and what can be done about it. */
export function chips(queue, list, cancel) {
  const shown = new Map(); // job → its element, which stays while the job does: a focus in it is not lost
  const update = () => {
    const open = queue.open;
    for (const [job, chip] of shown) if (!open.includes(job)) shown.delete(job), chip.node.remove();
    for (const job of open) {
      if (!shown.has(job)) shown.set(job, chip(job, queue, cancel));
      list.append(shown.get(job).node);
      shown.get(job).paint();
    }
    list.hidden = !open.length;
  };
  queue.addEventListener("change", update);
  update();
}

function chip(job, queue, cancel) {
  const said = el("span", { class: "said" });
  const bar = el("progress", { max: 1, value: 0, "aria-label": `Progress of ${job.name}` });
  const again = el("button", { type: "button", class: "quiet", text: "Try again", onclick: () => queue.want(job.name) });
  const away = el("button", { type: "button", class: "quiet", onclick: () => cancel(job.name) });
  const node = el("li", { class: "chip" }, el("b", { text: job.name }), said, bar, again, away);
  const paint = () => {
    const failed = job.state === "failed";
    node.dataset.state = job.state;
    said.textContent = failed ? job.error : job.state === "running" ? `${job.step} …` : "waiting";
    said.classList.toggle("problem", failed);
    bar.value = STEPS[job.step] ?? 0;
    bar.hidden = failed;
    again.hidden = !failed;
    away.textContent = failed ? "Remove" : "Cancel";
    away.setAttribute("aria-label", `${away.textContent} ${job.name}`);
  };
  return { node, paint };
}
