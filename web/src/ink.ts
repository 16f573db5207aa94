/** Dark strokes on paper, as bright ones on black: what `interpzoo.framing` does with scans, step by step. */

import type { Group, Image } from "./model";
import { crop, halfEven, resized, shrunk, type Box, type Planes } from "./planes";

/** Numbers on a grid, row after row. */
interface Grid {
  height: number;
  width: number;
  values: Float32Array;
}

const STROKE = 0.4; // brightness of what counts as a stroke, paper being 0 and the darkest ink 1
const CONTRAST = 0.15; // between paper and ink, below which nothing is written
const READ = 1024; // pixels that the longer side of a scan has at most
const COARSE = 128; // cells along it, in which paper is told from strokes, and strokes from specks
const FINE = 256; // and in which the darkest ink is looked for
const SURE_CELLS = 8; // of which so many are at least as dark
const SPECK = 2; // pixels around a speck that are wiped out with it
const BOX = 20 / 28; // share of a digit's image, without its border, that the longer side of its strokes takes

/** A picture of dark strokes on bright paper as the digits of MNIST are, or null if it is not such a picture. */
export function fromPaper(planes: Planes, { image, border }: Group): Planes | null {
  if (!isBright(planes)) return null;
  const { height, width, planes: [gray] } = shrunk(planes, ...within(planes, READ));
  const dark = { height, width, values: Float32Array.from(gray, (value) => value / 255) };
  const paper = paperOf(dark);
  dark.values.forEach((value, i) => (dark.values[i] = paper.values[i] - value));
  const ink = darkest(dark);
  if (ink < CONTRAST) return null;
  const strokes = { height, width, values: dark.values.map((value) => (value > (ink * STROKE) / 2 ? Math.min(1, value / ink) : 0)) };
  wipeSpecks(strokes);
  const bright = Uint8Array.from(strokes.values, (value) => Math.round(255 * value));
  return centered({ height, width, planes: [bright] }, image, border);
}

/** Bright strokes on black, moved and scaled as the digits of MNIST are. */
export function centered(source: Planes, image: Image, border: number): Planes {
  const box = boundingBox(source);
  const part = crop(source, box);
  const scale = Math.min((BOX * (image.height - 2 * border)) / box.height, (BOX * (image.width - 2 * border)) / box.width);
  const [height, width] = [box.height, box.width].map((side) => Math.max(1, halfEven(side * scale)));
  const small = resized(part, height, width).planes[0];
  const largest = Math.max(1, ...small);
  let [mass, down, across] = [0, 0, 0];
  small.forEach((value, i) => {
    mass += value;
    down += value * Math.floor(i / width);
    across += value * (i % width);
  });
  const top = corner(down / mass, height, image.height);
  const left = corner(across / mass, width, image.width);
  const canvas = new Uint8Array(image.height * image.width);
  small.forEach((value, i) => {
    canvas[(top + Math.floor(i / width)) * image.width + left + (i % width)] = Math.round((255 * value) / largest);
  });
  return { height: image.height, width: image.width, planes: Array.from({ length: image.channels }, () => canvas) };
}

/** Whether a plane has strokes that `centered` can find. */
export function hasStrokes({ planes }: Planes): boolean {
  return planes[0].some(isStroke);
}

function isStroke(value: number): boolean {
  return value > 255 * STROKE;
}

/** Where strokes start, so that their center of mass is in the middle, in pixels' numbers: as MNIST's lie. */
function corner(center: number, side: number, full: number): number {
  return Math.min(Math.max(0, halfEven(full / 2 - center)), full - side);
}

function boundingBox({ planes, height, width }: Planes): Box {
  let [top, bottom, left, right] = [height, -1, width, -1];
  planes[0].forEach((value, i) => {
    if (!isStroke(value)) return;
    const [y, x] = [Math.floor(i / width), i % width];
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  });
  return { top, left, height: bottom - top + 1, width: right - left + 1 };
}

/** Whether more than half of a picture is brighter than gray. */
function isBright({ planes: [gray] }: Planes): boolean {
  return gray.reduce((count, value) => count + (value > 127 ? 1 : 0), 0) > gray.length / 2;
}

/** How bright the paper would be without strokes: what is around them, as light falls on it unevenly. */
function paperOf(gray: Grid): Grid {
  const small = averaged(gray, ...within(gray, COARSE));
  const reach = Math.floor(Math.max(small.height, small.width) / 8); // wider than a stroke
  return enlarged(spread(spread(small, reach, Math.max), reach, Math.min), gray.height, gray.width);
}

/** How dark the ink is where a stroke fills a cell: single pixels are grain and specks. */
function darkest(dark: Grid): number {
  const values = averaged(dark, ...within(dark, FINE)).values.sort();
  return values[values.length - Math.min(SURE_CELLS, values.length)];
}

/** Sets to 0 what does not belong to the largest connected stroke, nor to one of at least a tenth of its size. */
function wipeSpecks({ height, width, values }: Grid): void {
  const [rows, columns] = within({ height, width }, COARSE);
  const isInk = values.map((value) => (value > STROKE ? 1 : 0));
  const shares = averaged({ height, width, values: isInk }, rows, columns).values;
  const labels = Int32Array.from(shares, (share) => (share > 0 ? 0 : -1)); // not seen yet, and no stroke
  connect(labels, rows, columns);
  const label = (y: number, x: number): number => labels[nearest(y, rows, height) * columns + nearest(x, columns, width)];
  const sizes = new Map<number, number>();
  isInk.forEach((ink, i) => {
    if (!ink) return;
    const part = label(Math.floor(i / width), i % width);
    sizes.set(part, (sizes.get(part) ?? 0) + 1);
  });
  const least = Math.max(...sizes.values()) / 10;
  isInk.forEach((ink, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    if (!ink || (sizes.get(label(y, x)) ?? 0) >= least) return;
    for (let v = Math.max(0, y - SPECK); v <= Math.min(height - 1, y + SPECK); v++) {
      values.fill(0, v * width + Math.max(0, x - SPECK), v * width + Math.min(width, x + SPECK + 1));
    }
  });
}

/** Gives all cells of 0 that touch, at a side or a corner, the same number from 1 on. */
function connect(labels: Int32Array, rows: number, columns: number): void {
  let found = 0;
  for (let start = 0; start < labels.length; start++) {
    if (labels[start] !== 0) continue;
    labels[start] = ++found;
    const open = [start];
    for (let cell = open.pop(); cell !== undefined; cell = open.pop()) {
      const [r, c] = [Math.floor(cell / columns), cell % columns];
      for (let y = Math.max(0, r - 1); y <= Math.min(rows - 1, r + 1); y++) {
        for (let x = Math.max(0, c - 1); x <= Math.min(columns - 1, c + 1); x++) {
          if (labels[y * columns + x] !== 0) continue;
          labels[y * columns + x] = found;
          open.push(y * columns + x);
        }
      }
    }
  }
}

/** Height and width of the same shape with at most `longer` along the longer side. */
function within({ height, width }: { height: number; width: number }, longer: number): [number, number] {
  const scale = Math.min(1, longer / Math.max(height, width));
  return [Math.max(1, halfEven(height * scale)), Math.max(1, halfEven(width * scale))];
}

/** First and last pixel (excluded) of each of `count` cells that cover `size` pixels. */
function parts(size: number, count: number): [number, number][] {
  return Array.from({ length: count }, (_, i) => [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)]);
}

/** The cell, of `count`, in which the center of a pixel, of `size`, lies. */
function nearest(pixel: number, count: number, size: number): number {
  return Math.min(count - 1, Math.floor(((pixel + 0.5) * count) / size));
}

/** Means over cells. */
function averaged({ height, width, values }: Grid, rows: number, columns: number): Grid {
  const [down, across] = [parts(height, rows), parts(width, columns)];
  const out = new Float32Array(rows * columns);
  down.forEach(([top, bottom], r) => {
    across.forEach(([left, right], c) => {
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += values[y * width + x];
      out[r * columns + c] = sum / ((bottom - top) * (right - left));
    });
  });
  return { height: rows, width: columns, values: out };
}

/** The largest or least value up to `reach` rows and columns away. */
function spread({ height, width, values }: Grid, reach: number, most: (a: number, b: number) => number): Grid {
  let found = values;
  for (const [step, size] of [[1, width], [width, height]]) {
    found = found.map((_, i, from) => {
      const at = Math.floor(i / step) % size;
      let value = from[i];
      for (let k = Math.max(-reach, -at); k <= Math.min(reach, size - 1 - at); k++) value = most(value, from[i + k * step]);
      return value;
    });
  }
  return { height, width, values: found };
}

/** Bilinear. */
function enlarged({ height, width, values }: Grid, rows: number, columns: number): Grid {
  const near = (i: number, from: number, to: number): [number, number, number] => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(from - 1, Math.floor(at));
    return [low, Math.min(from - 1, low + 1), at - low];
  };
  const across = Array.from({ length: columns }, (_, x) => near(x, width, columns));
  const out = new Float32Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    const [above, below, down] = near(y, height, rows);
    across.forEach(([left, right, share], x) => {
      const [top, bottom] = [above, below].map((row) => values[row * width + left] * (1 - share) + values[row * width + right] * share);
      out[y * columns + x] = top * (1 - down) + bottom * down;
    });
  }
  return { height: rows, width: columns, values: out };
}
