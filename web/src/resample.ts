/** Band-limited conversion of sample rates: a sinc under a Kaiser window, about as steep as soxr's high quality. */

/** Of the lower Nyquist frequency: what passes unchanged. */
const PASSBAND = 0.91;
/** Of the Kaiser window: −100 dB beyond the edge. */
const BETA = 10;
/** Zero crossings on either side. */
const CROSSINGS = 72;
/** Fractions of a sample at which the filter is tabulated. */
const STEPS = 512;

/**
 * Converts one channel; the result has `ceil(samples · to / from)` samples, and no delay.
 *
 * Tokens of audio at another rate than the model's are near those that the Python package finds, whose filter is soxr's.
 */
export function resample(wave: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return wave;
  const ratio = to / from;
  const cutoff = ((1 + PASSBAND) / 2) * Math.min(1, ratio);
  const half = CROSSINGS / Math.min(1, ratio);
  const filter = tabulated(cutoff, half);
  const output = new Float32Array(Math.ceil((wave.length * to) / from));
  for (let index = 0; index < output.length; index++) {
    const place = (index * from) / to;
    const first = Math.max(0, Math.ceil(place - half));
    const last = Math.min(wave.length - 1, Math.floor(place + half));
    let sum = 0;
    for (let at = first; at <= last; at++) {
      const offset = Math.abs(place - at) * STEPS;
      const below = Math.floor(offset);
      sum += wave[at] * (filter[below] + (offset - below) * (filter[below + 1] - filter[below]));
    }
    output[index] = sum;
  }
  return output;
}

function tabulated(cutoff: number, half: number): Float64Array {
  const filter = new Float64Array(Math.ceil(half * STEPS) + 2);
  const whole = bessel(BETA);
  for (let index = 0; index <= half * STEPS; index++) {
    const share = index / STEPS / half;
    const angle = Math.PI * cutoff * (index / STEPS);
    filter[index] = cutoff * (angle ? Math.sin(angle) / angle : 1) * (bessel(BETA * Math.sqrt(1 - share * share)) / whole);
  }
  return filter;
}

/** Modified Bessel function of the first kind, order 0. */
function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let index = 1; term > 1e-16 * sum; index++) {
    term *= (x / (2 * index)) ** 2;
    sum += term;
  }
  return sum;
}
