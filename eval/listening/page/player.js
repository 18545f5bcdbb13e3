// Plays any number of equally long sounds as one: all run all the time, one is let through.
// That way switching keeps the position to the sample, and takes the 5 ms of a cross-fade.

const FADE = 0.005; // s; raised-cosine in the standard, a straight line is as quiet at this length
const AHEAD = 3; // s that fades at the loop's ends are scheduled ahead
export const SHORTEST_LOOP = 0.5; // s, BS.1534-3

export class Player extends EventTarget {
  #sources = [];
  #gains = new Map();
  #bus = null;
  #faded = 0;
  #timer = 0;
  #start = { when: 0, offset: 0 };

  /** @param {BaseAudioContext} context */
  constructor(context) {
    super();
    this.context = context;
    this.output = context.createGain();
    this.output.connect(context.destination);
    this.buffers = new Map();
    this.levels = new Map(); // name → factor, 1 where none is given
    this.current = null;
    this.playing = false;
    this.loop = [0, 0];
  }

  /** Takes another set of sounds, name → AudioBuffer, and stops. */
  load(buffers) {
    this.pause();
    this.buffers = buffers;
    this.duration = Math.min(...[...buffers.values()].map((buffer) => buffer.duration));
    this.loop = [0, this.duration];
    this.current = null;
    this.#start = { when: 0, offset: 0 };
    this.#changed();
  }

  /** Takes one more sound of the same length; what plays goes on, and the loop stays. */
  add(name, buffer) {
    this.buffers.set(name, buffer);
    if (this.#sources.length) {
      const { currentTime, sampleRate } = this.context;
      const when = Math.ceil((currentTime + 0.02) * sampleRate) / sampleRate;
      this.#source(name, buffer, when, this.#at(when));
    }
    this.#changed();
  }

  /** How loud sounds are, name → factor; heard at once. */
  setLevels(levels) {
    this.levels = levels;
    for (const [name, gain] of this.#gains) if (name === this.current) ramp(gain.gain, this.#level(name), this.context.currentTime);
    this.#changed();
  }

  #level(name) {
    return this.levels.get(name) ?? 1;
  }

  /** Seconds into the sound. */
  get position() {
    return this.playing ? this.#at(this.context.currentTime) : this.#start.offset;
  }

  #at(time) {
    const { when, offset } = this.#start;
    const at = offset + Math.max(0, time - when);
    const [from, to] = this.loop;
    return at < to ? at : from + ((at - from) % (to - from));
  }

  /** Lets another sound through at the same position. */
  select(name) {
    this.current = name;
    const now = this.context.currentTime;
    for (const [other, gain] of this.#gains) ramp(gain.gain, other === name ? this.#level(name) : 0, now);
    this.#changed();
  }

  /** Starts, or goes on. */
  async play(name = this.current) {
    this.current = name;
    if (this.playing) return this.select(name);
    this.playing = true; // at once: a second call must not start everything twice
    if (this.context.state !== "running") await this.context.resume();
    if (this.playing && !this.#sources.length) this.#run(this.#start.offset);
    this.#changed();
  }

  pause() {
    const at = this.position;
    if (this.playing && this.#sources.length) this.#halt();
    this.playing = false;
    this.#start = { when: 0, offset: at };
    this.#changed();
  }

  seek(seconds) {
    this.#jump(Math.min(Math.max(seconds, 0), this.duration));
  }

  /** Repeats only a part; both ends are moved apart if they are too close. */
  setLoop(from, to) {
    const at = this.position;
    const length = Math.min(SHORTEST_LOOP, this.duration);
    from = Math.min(Math.max(from, 0), this.duration - length);
    this.loop = [from, Math.min(Math.max(to, from + length), this.duration)];
    this.#jump(at);
  }

  get loops() {
    return this.loop[0] > 0.001 || this.loop[1] < this.duration - 0.001;
  }

  #jump(seconds) {
    const [from, to] = this.loop;
    const at = seconds < from || seconds >= to ? from : seconds;
    if (this.#sources.length) {
      this.#halt();
      this.#run(at);
    } else this.#start = { when: 0, offset: at };
    this.#changed();
  }

  #run(offset) {
    const when = this.context.currentTime + 0.01;
    this.#start = { when, offset };
    this.#faded = 0;
    this.#bus = this.context.createGain();
    this.#bus.gain.setValueAtTime(0, when);
    this.#bus.gain.linearRampToValueAtTime(1, when + FADE);
    this.#bus.connect(this.output);
    for (const [name, buffer] of this.buffers) this.#source(name, buffer, when, offset);
    this.#fadeEnds();
    this.#timer = setInterval(() => this.#fadeEnds(), 1000);
  }

  #source(name, buffer, when, offset) {
    const gain = this.context.createGain();
    gain.gain.value = name === this.current ? this.#level(name) : 0;
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.loop = true;
    [source.loopStart, source.loopEnd] = this.loop;
    source.connect(gain).connect(this.#bus);
    source.start(when, offset);
    this.#sources.push(source);
    this.#gains.set(name, gain);
  }

  /** The ends of a loop do not fit each other; a short dip keeps them from clicking. */
  #fadeEnds() {
    const [from, to] = this.loop;
    const first = this.#start.when + to - this.#start.offset;
    const until = this.context.currentTime + AHEAD;
    for (let end = first + this.#faded * (to - from); end < until; end += to - from) {
      this.#faded += 1;
      if (end - FADE <= this.#start.when + FADE) continue;
      this.#bus.gain.setValueAtTime(1, end - FADE);
      this.#bus.gain.linearRampToValueAtTime(0, end);
      this.#bus.gain.linearRampToValueAtTime(1, end + FADE);
    }
  }

  #halt() {
    clearInterval(this.#timer);
    const now = this.context.currentTime;
    ramp(this.#bus.gain, 0, now);
    for (const source of this.#sources) source.stop(now + FADE);
    const bus = this.#bus;
    this.#sources[0].onended = () => bus.disconnect();
    this.#sources = [];
    this.#gains.clear();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function ramp(parameter, value, now) {
  parameter.cancelScheduledValues(now);
  parameter.setValueAtTime(parameter.value, now);
  parameter.linearRampToValueAtTime(value, now + FADE);
}

/** The one context of this page; browsers allow few. */
let shared = null;
export function audioContext() {
  shared ??= new AudioContext();
  return shared;
}

/** Encoded sounds, name → ArrayBuffer, decoded beforehand: nothing has to wait when it is switched to. */
export async function decodeAll(files) {
  const decoded = await Promise.all([...files].map(async ([name, bytes]) => [name, await audioContext().decodeAudioData(bytes)]));
  return new Map(decoded);
}
