/** A log-spectrogram on a canvas. */

const N_FFT = 512;
const RANGE_DB = 80;

export function draw(canvas: HTMLCanvasElement, wave: Float32Array): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const columns = canvas.width;
  const rows = N_FFT / 2;
  const image = context.createImageData(columns, rows);
  const real = new Float64Array(N_FFT);
  const imaginary = new Float64Array(N_FFT);
  for (let column = 0; column < columns; column++) {
    const start = Math.floor((column / columns) * wave.length) - N_FFT / 2;
    for (let at = 0; at < N_FFT; at++) {
      real[at] = (wave[start + at] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * at) / N_FFT));
      imaginary[at] = 0;
    }
    transform(real, imaginary);
    for (let row = 0; row < rows; row++) {
      const level = 20 * Math.log10((4 / N_FFT) * Math.hypot(real[row], imaginary[row]) + 1e-7);
      const shade = 255 * Math.min(1, Math.max(0, (level + RANGE_DB + 10) / RANGE_DB));
      image.data.set([shade, shade * 0.8, 128 - shade / 3, 255], 4 * ((rows - 1 - row) * columns + column));
    }
  }
  canvas.height = rows;
  context.putImageData(image, 0, 0);
}

/** Fourier's, in place, of a power of two numbers. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const count = real.length;
  for (let at = 1, mirrored = 0; at < count; at++) {
    let bit = count >> 1;
    for (; mirrored & bit; bit >>= 1) mirrored ^= bit;
    mirrored ^= bit;
    if (at < mirrored) {
      [real[at], real[mirrored]] = [real[mirrored], real[at]];
      [imaginary[at], imaginary[mirrored]] = [imaginary[mirrored], imaginary[at]];
    }
  }
  for (let size = 2; size <= count; size *= 2) {
    for (let at = 0; at < size / 2; at++) {
      const cosine = Math.cos((2 * Math.PI * at) / size);
      const sine = -Math.sin((2 * Math.PI * at) / size);
      for (let low = at; low < count; low += size) {
        const high = low + size / 2;
        const [x, y] = [real[high] * cosine - imaginary[high] * sine, real[high] * sine + imaginary[high] * cosine];
        [real[high], imaginary[high]] = [real[low] - x, imaginary[low] - y];
        [real[low], imaginary[low]] = [real[low] + x, imaginary[low] + y];
      }
    }
  }
}
