/** What is measured along a walk. */

import type { Image } from "./model";

export interface Measured {
  /** Root mean squared difference of consecutive frames. */
  steps: number[];
  /** Mean squared gradient of each frame over that of both ends: 1 is as sharp as they are. */
  sharpness: number[];
}

export function measure(frames: readonly Float32Array[], image: Image): Measured {
  const steps = frames.slice(1).map((frame, i) => difference(frames[i], frame));
  const gradients = frames.map((frame) => gradient(frame, image));
  const ends = (gradients[0] + gradients[gradients.length - 1]) / 2;
  return { steps, sharpness: gradients.map((value) => (ends > 0 ? value / ends : 1)) };
}

/** Root mean squared difference of two images. */
export function difference(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum / a.length);
}

function gradient(values: Float32Array, { channels, height, width }: Image): number {
  let sum = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = (c * height + y) * width + x;
        if (x + 1 < width) sum += (values[i + 1] - values[i]) ** 2;
        if (y + 1 < height) sum += (values[i + width] - values[i]) ** 2;
      }
    }
  }
  return sum / values.length;
}
