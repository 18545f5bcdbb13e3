"use strict";
// All tracks of a clip run at once on one clock and all but one are silent, so that switching neither jumps nor clicks.

const FADE = 0.008; // s
let audio = null; // one AudioContext for the page, made on the first click as browsers demand
let playing = null; // the player that is heard

class Player {
  constructor(root) {
    this.root = root;
    this.seconds = Number(root.dataset.seconds);
    this.button = root.querySelector(".play");
    this.range = root.querySelector(".position");
    this.time = root.querySelector(".time");
    this.status = root.querySelector(".status");
    this.repeat = root.querySelector(".loop input");
    this.radios = [...root.querySelectorAll("input[type=radio]")];
    this.heads = [...root.querySelectorAll(".head")];
    this.buffers = null;
    this.voices = [];
    this.offset = 0;
    this.startedAt = 0;
    this.button.addEventListener("click", () => this.toggle());
    this.range.addEventListener("input", () => this.seek(Number(this.range.value)));
    this.repeat.addEventListener("change", () => this.seek(this.position()));
    this.radios.forEach((radio) => radio.addEventListener("change", () => this.mix()));
    root.querySelectorAll(".strip").forEach((strip) => strip.addEventListener("click", (event) => {
      const box = strip.getBoundingClientRect();
      this.seek(((event.clientX - box.left) / box.width) * this.seconds);
    }));
  }

  async load() {
    if (this.buffers) return;
    this.status.textContent = "Decoding…";
    const sources = [...this.root.querySelectorAll("script.audio")];
    this.buffers = await Promise.all(sources.map((source) => {
      const bytes = Uint8Array.from(atob(source.textContent.trim()), (letter) => letter.charCodeAt(0));
      return audio.decodeAudioData(bytes.buffer);
    }));
    this.seconds = Math.min(...this.buffers.map((buffer) => buffer.duration));
    this.status.textContent = "";
  }

  async toggle() {
    if (playing === this) return this.pause();
    if (playing) playing.pause();
    playing = this;
    this.show(true);
    try {
      audio ??= new AudioContext();
      await audio.resume();
      await this.load();
    } catch (error) {
      this.buffers = null;
      this.status.textContent = `This browser cannot play it: ${error.message}`;
      if (playing === this) { playing = null; this.show(false); }
      return undefined;
    }
    if (playing === this) { this.start(); this.frame(); }
    return undefined;
  }

  start() {
    const begin = audio.currentTime + 0.02;
    this.offset = this.offset >= this.seconds - 0.02 ? 0 : this.offset;
    this.startedAt = begin;
    this.voices = this.buffers.map((buffer, index) => {
      const gain = new GainNode(audio, { gain: this.radios[index].checked ? 1 : 0 });
      const source = new AudioBufferSourceNode(audio, { buffer, loop: this.repeat.checked, loopStart: 0, loopEnd: this.seconds });
      source.connect(gain).connect(audio.destination);
      source.start(begin, this.offset);
      return { source, gain };
    });
  }

  stop() {
    this.voices.forEach(({ source, gain }) => { source.stop(); gain.disconnect(); });
    this.voices = [];
  }

  pause() {
    this.offset = this.position();
    this.stop();
    if (playing === this) playing = null;
    this.show(false);
    this.draw();
  }

  seek(position) {
    const running = this.voices.length > 0;
    if (running) this.stop();
    this.offset = Math.max(0, Math.min(position, this.seconds - 0.01));
    if (running) this.start();
    this.draw();
  }

  position() {
    if (!this.voices.length) return this.offset;
    const passed = this.offset + Math.max(0, audio.currentTime - this.startedAt);
    return this.repeat.checked ? passed % this.seconds : Math.min(passed, this.seconds);
  }

  mix() {
    this.voices.forEach(({ gain }, index) => {
      gain.gain.cancelScheduledValues(audio.currentTime);
      gain.gain.setTargetAtTime(this.radios[index].checked ? 1 : 0, audio.currentTime, FADE);
    });
  }

  choose(index) {
    const radio = this.radios[(index + this.radios.length) % this.radios.length];
    radio.checked = true;
    radio.focus({ preventScroll: true });
    this.mix();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = this.radios.findIndex((radio) => radio.checked);
    const onRange = event.target === this.range;
    const onRadio = event.target.type === "radio";
    if (event.key === " " && event.target !== this.button && event.target !== this.repeat) this.toggle();
    else if (/^[0-9]$/.test(event.key) && Number(event.key) < this.radios.length) this.choose(Number(event.key));
    else if (event.key === "ArrowUp" && !onRange) this.choose(chosen - 1);
    else if (event.key === "ArrowDown" && !onRange) this.choose(chosen + 1);
    else if (event.key === "ArrowLeft" && (onRadio || event.target === this.button)) this.seek(this.position() - 1);
    else if (event.key === "ArrowRight" && (onRadio || event.target === this.button)) this.seek(this.position() + 1);
    else return;
    event.preventDefault();
  }

  show(active) {
    this.button.textContent = active ? "Pause" : "Play";
    this.button.setAttribute("aria-pressed", String(active));
  }

  draw() {
    const position = this.position();
    this.range.value = position;
    this.range.setAttribute("aria-valuetext", `${position.toFixed(1)} of ${this.seconds.toFixed(1)} seconds`);
    this.time.textContent = `${position.toFixed(1)} / ${this.seconds.toFixed(1)} s`;
    this.heads.forEach((head) => { head.style.left = `${(100 * position) / this.seconds}%`; });
  }

  frame() {
    if (playing !== this || !this.voices.length) return;
    if (!this.repeat.checked && this.position() >= this.seconds) { this.pause(); return; }
    this.draw();
    requestAnimationFrame(() => this.frame());
  }
}

const players = [...document.querySelectorAll(".player")].map((root) => new Player(root));
document.addEventListener("keydown", (event) => {
  const inside = players.find(({ root }) => root.contains(event.target));
  const pauses = event.key === " " && !event.target.closest("a, summary"); // elsewhere Space scrolls, unless something plays
  const meant = inside ?? (/^[0-9]$/.test(event.key) ? playing ?? players[0] : pauses ? playing : null);
  meant?.key(event);
});
