/** Whether a picture is of the kind that a model was trained on. `interpzoo/fitness.py` has the same figures, and why. */

import { sizeOf, type Image } from "./model";

const GRID = 4; // a thumbnail of 4x4 pixels
const SCALES = 3; // at which edges are measured
const STEPS = [0.1, 0.3, 0.6].map(Math.fround); // between neighboring pixels
const GROUPS = 32;
const SMALL = 1e-5;

/** The distance of an image from the model's own, of which 99 % are below 1; `fitness` is what the folder has of it. */
export function distance(fitness: Float32Array, image: Float32Array, drawn: Float32Array, shape: Image): number {
  const found = figures(image, drawn, shape);
  const count = found.length;
  let least = Infinity;
  for (let group = 0; group < GROUPS; group++) {
    const rest = found.map((value, i) => value - fitness[group * count + i]);
    rest[count - 1] = Math.max(0, rest[count - 1]); // an image that comes out better than others is not foreign
    let squares = 0;
    for (let column = 0; column < count; column++) {
      squares += rest.reduce((sum, value, row) => sum + value * fitness[(GROUPS + row) * count + column], 0) ** 2;
    }
    least = Math.min(least, squares);
  }
  return Math.sqrt(least) / fitness[(GROUPS + count) * count];
}

/** One channel; single precision, as torch has it, so that steps fall on the same side of a limit. */
interface Plane {
  values: Float32Array;
  height: number;
  width: number;
}

function figures(image: Float32Array, drawn: Float32Array, shape: Image): number[] {
  const { channels, height, width } = shape;
  const size = height * width;
  const gray = plane(height, width, (y, x) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += image[c * size + y * width + x];
    return sum / channels;
  });
  const found = thumbnail(gray);
  let scaled = gray;
  for (let scale = 0; scale < SCALES; scale++) {
    found.push(log(across(scaled).values), log(down(scaled).values));
    scaled = halved(scaled);
  }
  for (const { values } of [across(gray), down(gray)]) {
    found.push(...STEPS.map((least) => Math.log(values.reduce((n, step) => n + Number(Math.abs(step) > least), 0) + 1)));
  }
  const at = (y: number, x: number): number => gray.values[y * width + x];
  const ring: number[] = [];
  for (let x = 0; x < width; x++) ring.push(at(0, x), at(height - 1, x));
  for (let y = 0; y < height; y++) ring.push(at(y, 0), at(y, width - 1));
  const border = mean(ring);
  found.push(border, Math.sqrt(ring.reduce((sum, x) => sum + (x - border) ** 2, 0) / (ring.length - 1)));
  const middle = mean(gray.values);
  found.push(log(gray.values.map((value) => value - middle)));
  found.push(log(plane(height, width, (y, x) => at(y, x) - at(y, width - 1 - x)).values));
  const share = (is: (value: number) => boolean): number => gray.values.reduce((n, x) => n + Number(is(x)), 0) / size;
  found.push(share((x) => x < Math.fround(0.1)), share((x) => x > Math.fround(0.9)));
  if (channels > 1) {
    const color = image.map((value, i) => value - gray.values[i % size]);
    for (let c = 1; c < channels; c++) found.push(mean(color.subarray(c * size, (c + 1) * size)));
    found.push(log(color));
  }
  found.push(log(Float32Array.from({ length: sizeOf(shape) }, (_, i) => image[i] - drawn[i])));
  return found;
}

function plane(height: number, width: number, at: (y: number, x: number) => number): Plane {
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) values[y * width + x] = at(y, x);
  return { values, height, width };
}

/** Differences of neighbors in a row. */
function across({ values, height, width }: Plane): Plane {
  return plane(height, width - 1, (y, x) => values[y * width + x + 1] - values[y * width + x]);
}

/** Differences of neighbors in a column. */
function down({ values, height, width }: Plane): Plane {
  return plane(height - 1, width, (y, x) => values[(y + 1) * width + x] - values[y * width + x]);
}

/** Means of blocks of 2x2 pixels, or of what the image has of them at its border. */
function halved(of: Plane): Plane {
  return plane(Math.ceil(of.height / 2), Math.ceil(of.width / 2), (y, x) => block(of, 2 * y, 2 * y + 2, 2 * x, 2 * x + 2));
}

function thumbnail(of: Plane): number[] {
  const from = (i: number, side: number): number => Math.floor((i * side) / GRID);
  const to = (i: number, side: number): number => Math.ceil(((i + 1) * side) / GRID);
  const cells = plane(GRID, GRID, (y, x) => block(of, from(y, of.height), to(y, of.height), from(x, of.width), to(x, of.width)));
  return [...cells.values];
}

function block({ values, height, width }: Plane, top: number, bottom: number, left: number, right: number): number {
  let [sum, count] = [0, 0];
  for (let y = top; y < Math.min(bottom, height); y++) {
    for (let x = left; x < Math.min(right, width); x++, count++) sum += values[y * width + x];
  }
  return sum / count;
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** The logarithm of the mean square, of 0 where there are no values. */
function log(values: Float32Array): number {
  return Math.log((values.length === 0 ? 0 : values.reduce((sum, value) => sum + value * value, 0) / values.length) + SMALL);
}
