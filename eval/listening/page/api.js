// Where ratings go. To the server, one by one and again until it has them; or, on a page without a server, into this
// browser's own storage and at the end into a file.

import { notify } from "./dom.js";

export class Refused extends Error {}

const hex = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((b) => b.toString(16).padStart(2, "0")).join("");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One request; asks again as long as nobody answers. Raises Refused with the server's reason. */
async function ask(path, options = {}) {
  for (let pause = 250; ; pause = Math.min(pause * 2, 4000)) {
    let answer = null;
    try {
      answer = await fetch(path, options);
    } catch {
      // Nobody there; the notice below says so.
    }
    if (answer && answer.status < 500) {
      notify("");
      if (answer.ok) return answer;
      const { detail } = await answer.json().catch(() => ({}));
      throw new Refused(typeof detail === "string" ? detail : `The server refused this (${answer.status}).`);
    }
    notify("No connection. Your ratings are kept here and will be sent.");
    await wait(pause);
  }
}

const post = (path, body, headers = {}) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });

/** A rater's link is #r=…, an invitation #join=… */
export function readLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  return { token: link.get("r"), invite: link.get("join") };
}

export class ServerStore {
  #queue;
  #sending = null;
  #stamp = 0;

  constructor(token) {
    this.token = token;
    this.headers = { authorization: `Bearer ${token}` };
    this.name = `queue ${token.slice(0, 12)}`;
    this.#queue = JSON.parse(localStorage.getItem(this.name) ?? "[]");
  }

  /** What an invitation says: title, instructions, consent, questions. */
  static async invitation(invite) {
    return (await ask(`api/invitation?invite=${encodeURIComponent(invite)}`)).json();
  }

  /** Joins and returns a store; whoever joined in this browser before is let in again. */
  static async join(invite, name, answers) {
    const memory = `join ${invite}`;
    const key = localStorage.getItem(`${memory} key`) ?? hex(16);
    localStorage.setItem(`${memory} key`, key);
    const answer = await post("api/join", { invite, name, key, answers });
    const { token } = await answer.json();
    localStorage.setItem(memory, token);
    return new ServerStore(token);
  }

  static known(invite) {
    return localStorage.getItem(`join ${invite}`);
  }

  async session() {
    await this.flush();
    const session = await (await ask("api/session", { headers: this.headers })).json();
    this.#stamp = session.stamp;
    return session;
  }

  async audio(id) {
    return (await ask(`audio/${id}.flac`, { headers: this.headers })).arrayBuffer();
  }

  setUp(setup) {
    return post("api/setup", setup, this.headers);
  }

  /** Remembers a rating before it is sent, so that closing the page loses nothing. */
  rate(trial, scores) {
    // The latest stamp wins, so it grows even where this device's clock is behind that of the one before.
    this.#stamp = Math.max(Date.now(), this.#stamp + 1);
    this.#queue.push({ trial, scores, stamp: this.#stamp });
    this.#keep();
    return this.flush();
  }

  /** Resolves when everything has arrived. */
  flush() {
    this.#sending ??= this.#send().finally(() => (this.#sending = null));
    return this.#sending;
  }

  async #send() {
    while (this.#queue.length) {
      try {
        await post("api/ratings", this.#queue[0], this.headers);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        notify(error.message);
      }
      this.#queue.shift();
      this.#keep();
    }
  }

  #keep() {
    localStorage.setItem(this.name, JSON.stringify(this.#queue));
  }

  async finish(trial, seconds, comment) {
    await this.flush();
    await post("api/done", { trial, seconds, comment }, this.headers);
  }

  /** A code or an address for who has finished. */
  async completion() {
    return (await this.session()).completion ?? "";
  }
}

export class DownloadStore {
  constructor(study, state) {
    Object.assign(this, { study, state });
  }

  static async open() {
    const study = await (await fetch("session.json")).json();
    const plan = Math.floor(Math.random() * study.plans.length);
    const fresh = { study: study.study, rater: hex(8), plan, name: "", setup: null, scores: {}, finished: {}, answers: {}, comments: {} };
    const kept = JSON.parse(localStorage.getItem(`study ${study.study}`) ?? "null");
    return new DownloadStore(study, kept ?? fresh);
  }

  join(name, answers) {
    Object.assign(this.state, { name, answers });
    this.#keep();
  }

  session() {
    const { title, mode, comments, training, trials, plans } = this.study;
    const mine = plans[this.state.plan].map(({ trial, stimuli }) => ({ ...trials[trial], stimuli }));
    return { ...this.state, title, mode, comments, training, trials: mine };
  }

  async audio(id) {
    return (await fetch(`audio/${id}.flac`)).arrayBuffer();
  }

  setUp(setup) {
    this.state.setup = setup;
    this.#keep();
  }

  rate(trial, scores) {
    this.state.scores[trial] = { ...this.state.scores[trial], ...scores };
    this.#keep();
  }

  finish(trial, seconds, comment) {
    this.state.finished[trial] = seconds;
    if (comment) this.state.comments[trial] = comment;
    this.#keep();
  }

  completion() {
    return this.study.completion;
  }

  /** The file that `codec eval listen analyse` takes. */
  file() {
    return new Blob([JSON.stringify(this.state, null, 1)], { type: "application/json" });
  }

  #keep() {
    localStorage.setItem(`study ${this.study.study}`, JSON.stringify(this.state));
  }
}
