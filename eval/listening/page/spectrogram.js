// Log-spectrograms and token grids on canvases.

const SIZE = 1024; // samples of a window
const COLUMNS = 900;
export const FLOOR = -95, TOP = -20; // dB below a full-scale sine
// Magma, sampled at equal steps.
const STOPS = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];
const PALETTE = Array.from({ length: 256 }, (_, i) => {
  const place = (i / 255) * (STOPS.length - 1);
  const left = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[left].map((c, k) => c + (STOPS[left + 1][k] - c) * (place - left));
});

/** Draws samples up to `highest` Hz. */
export function drawSpectrogram(canvas, samples, rate, highest) {
  const bins = Math.round((highest / rate) * SIZE);
  const hop = Math.max(64, samples.length / COLUMNS);
  const columns = Math.max(1, Math.floor(samples.length / hop));
  [canvas.width, canvas.height] = [columns, bins];
  const brush = canvas.getContext("2d");
  const image = brush.createImageData(columns, bins);
  const window = Float64Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
  const real = new Float64Array(SIZE), imaginary = new Float64Array(SIZE);
  for (let x = 0; x < columns; x += 1) {
    const start = Math.round(x * hop) - SIZE / 2;
    for (let i = 0; i < SIZE; i += 1) real[i] = (samples[start + i] ?? 0) * window[i];
    imaginary.fill(0);
    transform(real, imaginary);
    for (let bin = 0; bin < bins; bin += 1) {
      const level = 20 * Math.log10((Math.hypot(real[bin], imaginary[bin]) * 4) / SIZE + 1e-7);
      const shade = PALETTE[Math.round(255 * Math.min(1, Math.max(0, (level - FLOOR) / (TOP - FLOOR))))];
      const at = 4 * ((bins - 1 - bin) * columns + x);
      [image.data[at], image.data[at + 1], image.data[at + 2], image.data[at + 3]] = [...shade, 255];
    }
  }
  brush.putImageData(image, 0, 0);
}

/** The colours from `FLOOR` to `TOP`, left to right. */
export function drawScale(canvas) {
  [canvas.width, canvas.height] = [PALETTE.length, 1];
  const brush = canvas.getContext("2d");
  PALETTE.forEach((shade, x) => {
    brush.fillStyle = `rgb(${shade.map(Math.round).join(" ")})`;
    brush.fillRect(x, 0, 1, 1);
  });
}

/** Fast Fourier transform in place; the length is a power of two. */
function transform(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i += 1) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let k = 0; k < size / 2; k += 1) {
      const cos = Math.cos((2 * Math.PI * k) / size), sin = -Math.sin((2 * Math.PI * k) / size);
      for (let i = k; i < n; i += size) {
        const j = i + size / 2;
        const a = real[j] * cos - imaginary[j] * sin, b = real[j] * sin + imaginary[j] * cos;
        [real[j], imaginary[j]] = [real[i] - a, imaginary[i] - b];
        [real[i], imaginary[i]] = [real[i] + a, imaginary[i] + b];
      }
    }
  }
}

/** One coloured cell a token: equal tokens have equal colours. */
export function drawTokens(canvas, codes) {
  [canvas.width, canvas.height] = [codes[0].length, codes.length];
  canvas.style.height = `${Math.max(4, Math.min(18, 96 / codes.length)) * codes.length}px`;
  const brush = canvas.getContext("2d");
  codes.forEach((stream, y) =>
    stream.forEach((token, x) => {
      const mixed = Math.imul(token + 1, 2654435761) >>> 0;
      brush.fillStyle = `hsl(${mixed % 360} ${55 + ((mixed >>> 9) % 30)}% ${38 + ((mixed >>> 17) % 34)}%)`;
      brush.fillRect(x, y, 1, 1);
    }),
  );
}
