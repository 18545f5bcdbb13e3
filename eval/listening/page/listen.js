// A listening test from the invitation to the thanks.

import { DownloadStore, Refused, ServerStore, readLink } from "./api.js";
import { el, key, notify, show } from "./dom.js";
import { welcome } from "./welcome.js";
import { headphoneCheck } from "./headphones.js";
import { Player, audioContext, decodeAll } from "./player.js";
import { ab, abx, acr, bs1116, mushra } from "./rating.js";
import { waveform } from "./waveform.js";

const TASK = {
  mushra: "How close is each sound to the reference?",
  ab: "Which sound is closer to the reference?",
  acr: "How good does this sound?",
  bs1116: "One of A and B is the reference itself: give it 5. How much does the other one differ?",
  abx: "Is X the same as A, or the same as B?",
};
const player = new Player(audioContext());
window.player = player; // for tests and for the curious
let shortcuts = () => false; // of the screen that is shown; true if the key was taken
let leave = () => {};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input[type=text], textarea, select")) return;
  if (shortcuts(event)) event.preventDefault();
});

function screen(...children) {
  leave();
  [leave, shortcuts] = [() => {}, () => false];
  player.pause();
  show(...children);
}

const lines = (...items) => el("ul", {}, ...items.map((item) => el("li", {}, ...[item].flat())));

function fail(heading, reason) {
  screen(el("section", { class: "card narrow" }, el("h1", { text: heading }), el("p", { text: reason })));
}

// Volume and headphones

function setUp(session, store, next) {
  const first = session.training.reference ?? session.training.stimuli[0];
  const ready = load(store, [first]);
  let heard = false;
  let result = null;
  let device = null;
  const go = el("button", { class: "primary", text: "Go on to practice", disabled: true, onclick: async () => {
    go.disabled = true;
    await store.setUp({ consent: true, device, ...result });
    next();
  } });
  const update = () => (go.disabled = !(heard && result));
  const tone = el("button", { type: "button", class: "primary", text: "Play a sound", onclick: async () => {
    await ready;
    if (player.playing) player.pause();
    else await player.play(first);
    heard = true;
    tone.textContent = player.playing ? "Stop" : "Play a sound";
    update();
  } });
  const place = el("div", { class: "place" });
  const choose = (value, label, after) => el("label", { class: "choice" }, el("input", { type: "radio", name: "device", value, onchange: () => {
    [device, result] = [value, null];
    place.replaceChildren(after());
    update();
  } }), label);
  const phones = () => {
    player.pause();
    tone.textContent = "Play a sound";
    return el("div", {},
      el("p", { text: "A short check: in each round you hear three tones. Say which is the softest." }),
      headphoneCheck((found) => { result = found; update(); }),
      el("button", { type: "button", class: "quiet", text: "Skip the check", onclick: () => { result = { right: 0, of: 0 }; update(); } }));
  };
  const speakers = () => {
    result = { right: 0, of: 0 };
    return el("p", { text: "Good enough if it must be. Headphones let you hear finer differences." });
  };
  screen(el("section", { class: "card narrow" },
    el("h1", { text: "Set your volume" }),
    el("p", { text: "Play the sound and turn your volume to where you listen comfortably. Then leave it there until the end." }),
    tone,
    el("h2", { text: "What do you listen with?" }),
    el("div", { class: "row" }, choose("headphones", "Headphones", phones), choose("loudspeakers", "Loudspeakers", speakers)),
    place,
    el("div", { class: "foot" }, go),
  ));
}

// Trials

async function load(store, ids) {
  const files = await Promise.all(ids.map(async (id) => [id, await store.audio(id)]));
  player.load(await decodeAll(files));
}

/** One screen of sounds to rate. `rated` holds what was rated before; `rate(scores)` keeps a rating; `next` goes on. */
async function trial(session, store, shown, { heading, lead, rated, rate, label, next }) {
  screen(el("section", { class: "card narrow" }, el("h1", { text: heading }), el("p", { class: "muted", text: "Loading sounds …" })));
  await load(store, [...new Set([shown.reference, shown.other, ...shown.stimuli].filter(Boolean))]);
  const open = shown.reference ?? shown.stimuli[0];
  const wave = waveform(player, player.buffers.get(open));
  const scores = { ...rated };
  const heard = new Set(Object.keys(rated));
  const started = performance.now();
  const go = el("button", { class: "primary", type: "button", text: label, onclick: forward });
  const left = el("p", { class: "muted", id: "left" });
  const remark = session.comments ? el("textarea", { id: "remark", rows: 2, maxlength: 1000 }) : null;
  const toggle = el("button", { type: "button", class: "play", onclick: () => (player.playing ? player.pause() : listen(player.current ?? open)) });
  const buttons = new Map();
  const button = (id, text, name, hint) => {
    const made = el("button", { type: "button", class: "sound", "aria-pressed": "false", "aria-keyshortcuts": hint, onclick: () => listen(id) }, text, el("span", { class: "hidden", text: name }));
    buttons.set(id, made);
    return made;
  };
  const listen = (id) => {
    heard.add(id);
    update();
    return player.play(id);
  };
  const set = (change) => {
    Object.assign(scores, change);
    rate(change);
    update();
  };
  const parts = { button, listen, set, scores, shown };
  const kind = { mushra, ab, abx, acr, bs1116 }[session.mode](parts);

  function update() {
    const must = shown.other ? [shown.reference, shown.other, ...shown.stimuli] : shown.stimuli;
    const silent = must.filter((id) => !heard.has(id)).length;
    const open = shown.stimuli.filter((id) => !(id in scores)).length;
    const problem = kind.problem?.() ?? "";
    go.disabled = open + silent > 0 || problem !== "";
    left.textContent = silent ? `${silent} of ${must.length} sounds not heard yet` : open ? (session.mode === "mushra" ? `${open} of ${shown.stimuli.length} sounds not rated yet` : "Not rated yet") : problem || "All rated";
    toggle.textContent = player.playing ? "Pause" : "Play";
    buttons.forEach((b, id) => b.setAttribute("aria-pressed", String(player.playing && player.current === id)));
    kind.update?.();
  }
  async function forward() {
    if (go.disabled) return;
    go.disabled = true;
    await next((performance.now() - started) / 1000, remark?.value.trim() ?? "");
  }

  screen(el("section", { class: "card" },
    el("h1", { text: heading }),
    el("p", { class: "lead", text: lead }),
    wave.node,
    el("div", { class: "row tools" }, toggle, shown.reference && !shown.other ? button(shown.reference, "Reference", "", "R") : null),
    kind.node,
    remark ? el("div", { class: "remark" }, el("label", { for: "remark", text: "Anything to remark? (optional)" }), remark) : null,
    el("div", { class: "foot" }, left, go),
    el("details", {}, el("summary", { text: "Keys" }), el("p", {}, ...kind.keys.flatMap(([name, what]) => [key(name), ` ${what} `]),
      key("Space"), " play, pause ", ...(shown.reference && !shown.other ? [key("R"), " or ", key("0"), " reference "] : []), key("["), " ", key("]"), " loop from, to here ", key("\\"), " whole sound ", key("Enter"), " go on")),
  ));
  player.addEventListener("change", update);
  leave = () => {
    player.removeEventListener("change", update);
    wave.dispose();
  };
  shortcuts = (event) => {
    const pressed = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    const index = pressed.length === 1 ? pressed.charCodeAt(0) - 65 : -1;
    if (pressed === " ") toggle.click();
    else if (kind.sound?.(pressed)) listen(kind.sound(pressed));
    else if ((pressed === "R" || pressed === "0") && shown.reference) listen(shown.reference);
    else if (!kind.sound && index >= 0 && index < shown.stimuli.length) {
      listen(shown.stimuli[index]);
      kind.focus?.(index);
    } else if (pressed === "[") player.setLoop(player.position, player.loop[1]);
    else if (pressed === "]") player.setLoop(player.loop[0], player.position);
    else if (pressed === "\\") player.setLoop(0, player.duration);
    else if (pressed === "Enter" && !event.target.matches("button, summary")) forward();
    else return kind.key?.(pressed) ?? false;
    return true;
  };
  update();
}

// From one to the next

async function run(store) {
  const session = await store.session();
  document.getElementById("title").textContent = session.title;
  const done = new Set(Object.keys(session.finished));
  const number = session.trials.length;
  const progress = () => {
    document.getElementById("progress").hidden = false;
    Object.assign(document.getElementById("bar"), { max: number, value: done.size });
    document.getElementById("count").textContent = `${done.size} of ${number} done`;
  };
  const following = () => {
    progress();
    const index = session.trials.findIndex(({ id }) => !done.has(id));
    if (index < 0) return thanks(store, number);
    const shown = session.trials[index];
    return trial(session, store, shown, {
      heading: `Trial ${index + 1} of ${number}`,
      lead: TASK[session.mode],
      rated: session.scores[shown.id] ?? {},
      rate: (scores) => store.rate(shown.id, scores),
      label: done.size + 1 < number ? "Next" : "Finish",
      next: async (seconds, comment) => {
        await store.finish(shown.id, seconds, comment);
        done.add(shown.id);
        await following();
      },
    });
  };
  const practice = () =>
    trial(session, store, session.training, {
      heading: "Practice",
      lead: `${TASK[session.mode]} This one is not counted${session.mode === "mushra" ? ": hear every sound, and get to know the range from best to worst. One of the sounds is the reference itself, so at least one should get 100" : ""}.`,
      rated: {},
      rate: () => {},
      label: "Start the test",
      next: following,
    });
  if (!session.setup) return setUp(session, store, practice);
  return done.size || Object.keys(session.scores).length ? following() : practice();
}

async function thanks(store, number) {
  const completion = await store.completion();
  const onward = completion.startsWith("https://")
    ? el("p", {}, el("a", { class: "primary", href: completion, text: "Go back to complete" }))
    : completion ? el("p", {}, "Your completion code: ", el("output", { class: "code", text: completion })) : null;
  screen(el("section", { class: "card narrow" },
    el("h1", { text: "Thank you" }),
    el("p", { class: "lead", text: `You have rated all ${number} trials.` }),
    store.file
      ? el("div", {}, el("p", { text: "Your results are still only in this browser. Save them, and send the file to whoever invited you." }),
          el("a", { class: "primary", download: `ratings-${store.state.rater}.json`, href: URL.createObjectURL(store.file()), text: "Save results" }))
      : el("p", { text: `Everything has been stored.${completion ? "" : " You can close this page."}` }),
    onward,
  ));
}

async function begin() {
  if (document.documentElement.dataset.store === "download") {
    const store = await DownloadStore.open();
    const start = (name, answers) => (store.join(name, answers), run(store));
    return store.state.name ? run(store) : welcome(screen, store.study.invitation, start);
  }
  const { token, invite } = readLink();
  const enter = (found) => {
    history.replaceState(null, "", `#r=${found.token}`);
    return run(found);
  };
  if (token) return run(new ServerStore(token));
  if (!invite) return fail("You need a link", "This is a listening test. Ask whoever runs it for an invitation.");
  const known = ServerStore.known(invite);
  if (known) return enter(new ServerStore(known));
  const join = async (name, answers) => enter(await ServerStore.join(invite, name, answers));
  return welcome(screen, await ServerStore.invitation(invite), join);
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    notify("");
    if (error instanceof Refused) fail("This link does not work", error.message);
    else fail("Something went wrong", `${error.message ?? error}. Reload the page to go on where you were.`);
    if (!(error instanceof Refused)) throw error;
  }
}
window.addEventListener("hashchange", () => location.reload());
window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  guarded(() => Promise.reject(event.reason));
});
guarded(begin);
