/** Planes of pixels, cut and resized as Pillow does it. */

import type { Image } from "./model";

/** One color plane after another, 0 to 255. */
export interface Planes {
  height: number;
  width: number;
  planes: Uint8Array[];
}

export function toPlanes({ data, height, width }: ImageData, channels: number): Planes {
  const size = height * width;
  const planes = Array.from({ length: channels }, () => new Uint8Array(size));
  for (let i = 0; i < size; i++) {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 1) planes[0][i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else [planes[0][i], planes[1][i], planes[2][i]] = [r, g, b];
  }
  return { height, width, planes };
}

export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** The largest box in the middle of the shape that the models take. */
export function centerBox(height: number, width: number, image: Image): Box {
  const h = Math.max(1, Math.min(height, halfEven((width * image.height) / image.width)));
  const w = Math.max(1, Math.min(width, halfEven((height * image.width) / image.height)));
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w };
}

/** Rounded as Python rounds. */
export function halfEven(value: number): number {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

export function crop({ planes, width }: Planes, box: Box): Planes {
  const cut = planes.map((plane) => {
    const out = new Uint8Array(box.height * box.width);
    for (let y = 0; y < box.height; y++) {
      const start = (box.top + y) * width + box.left;
      out.set(plane.subarray(start, start + box.width), y * box.width);
    }
    return out;
  });
  return { height: box.height, width: box.width, planes: cut };
}

/** How far a filter reaches, and what it weighs there. */
interface Filter {
  reach: number;
  weight: (x: number) => number;
}

const BICUBIC: Filter = { reach: 2, weight: cubic };
const MEAN: Filter = { reach: 0.5, weight: (x) => (-0.5 < x && x <= 0.5 ? 1 : 0) };

/** Bicubic, with antialiasing and rounding after each axis, as Pillow resizes. */
export function resized(source: Planes, height: number, width: number): Planes {
  return filtered(source, height, width, BICUBIC);
}

/** Means over boxes of pixels, rounded after each axis, as Pillow resizes. */
export function shrunk(source: Planes, height: number, width: number): Planes {
  return filtered(source, height, width, MEAN);
}

function filtered(source: Planes, height: number, width: number, filter: Filter): Planes {
  if (source.height === height && source.width === width) return source;
  const planes = source.planes.map((plane) => {
    const wide = width === source.width ? plane : along(plane, source.height, source.width, width, filter);
    return height === source.height ? wide : turned(along(turned(wide, source.height, width), width, source.height, height, filter), width, height);
  });
  return { height, width, planes };
}

/** Each of `rows` rows of `from` values, with `to` values. */
function along(plane: Uint8Array, rows: number, from: number, to: number, { reach, weight }: Filter): Uint8Array {
  const out = new Uint8ClampedArray(rows * to);
  const scale = from / to;
  const stretch = Math.max(1, scale);
  for (let x = 0; x < to; x++) {
    const center = (x + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - reach * stretch + 0.5));
    const last = Math.min(from, Math.floor(center + reach * stretch + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) => weight((i + first - center + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    for (let y = 0; y < rows; y++) {
      let value = 0;
      for (let i = 0; i < weights.length; i++) value += (weights[i] / sum) * plane[y * from + first + i];
      out[y * to + x] = Math.floor(value + 0.5);
    }
  }
  return new Uint8Array(out.buffer);
}

function cubic(x: number): number {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

function turned(plane: Uint8Array, height: number, width: number): Uint8Array {
  const out = new Uint8Array(plane.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[x * height + y] = plane[y * width + x];
  return out;
}
