/** Pictures of files, cameras and canvases, framed as models take them: what Pillow does in `interpzoo.pixels`. */

import type { Group, Image, Picture } from "./model";

/** One color plane after another, 0 to 255. */
export interface Planes {
  height: number;
  width: number;
  planes: Uint8Array[];
}

export interface Framed {
  picture: Picture;
  /** What was done to the picture, or may be wrong with it; empty if it is as it should be. */
  note: string;
}

const MOST_BYTES = 64 * 2 ** 20;
const MOST_PIXELS = 5e7;
const STROKE = 0.4; // brightness of what counts as a stroke, paper being 0 and the darkest ink 1
const CONTRAST = 0.15; // between paper and ink, below which nothing is written
const BOX = 20 / 28; // share of a digit's image, without its border, that the longer side of its strokes takes

/** The pixels of an image file. */
export async function readPicture(file: Blob, name: string): Promise<ImageData> {
  if (file.size > MOST_BYTES) throw new Error(`${name} has ${megabytes(file.size)}: expected at most ${megabytes(MOST_BYTES)}.`);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", imageOrientation: "from-image" });
  } catch {
    throw new Error(`${name} is not a picture that this browser reads: expected a PNG, JPEG, WebP or GIF file.`);
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    throw new Error(`${name} has ${bitmap.width} × ${bitmap.height} pixels: expected at most ${MOST_PIXELS / 1e6} million.`);
  }
  return pixelsOf(bitmap, bitmap.width, bitmap.height);
}

/** Pixels of what a canvas can draw, over black. */
export function pixelsOf(source: CanvasImageSource, width: number, height: number): ImageData {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.fillStyle = "black";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** A picture as the models of a group take it. */
export function framed(data: ImageData, group: Group): Framed {
  const { image, border } = group;
  const planes = toPlanes(data, image.channels);
  if (group.ink && isOnPaper(planes)) {
    return { picture: picture(strokes(planes.planes[0], planes, group)), note: "Dark strokes on paper were turned into bright ones on black, of the size that the digits have." };
  }
  if (border > 0 && data.height === image.height - 2 * border && data.width === image.width - 2 * border) {
    return { picture: picture(padded(planes, image, border)), note: "" };
  }
  const box = centerBox(data.height, data.width, image);
  const cropped = box.height < data.height || box.width < data.width;
  const small = box.height < image.height && box.width < image.width;
  const notes = [cropped ? "The sides were cut off: the models take the middle." : "", small ? "It was enlarged, and is blurred." : ""];
  return { picture: picture(resized(crop(planes, box), image.height, image.width)), note: notes.join(" ").trim() };
}

/** The picture as it looks, for a canvas. */
export function toImageData(values: ArrayLike<number>, { channels, height, width }: Image, scale = 1): ImageData {
  const data = new ImageData(width, height);
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      const value = values[channels === 3 ? c * size + i : i] * scale;
      data.data[4 * i + c] = Math.round(value); // and clamped, by the array itself
    }
    data.data[4 * i + 3] = 255;
  }
  return data;
}

export function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function picture(planes: Planes): Picture {
  const pixels = new Uint8Array(planes.planes.length * planes.height * planes.width);
  planes.planes.forEach((plane, i) => pixels.set(plane, i * plane.length));
  return { pixels, example: null };
}

function toPlanes({ data, height, width }: ImageData, channels: number): Planes {
  const size = height * width;
  const planes = Array.from({ length: channels }, () => new Uint8Array(size));
  for (let i = 0; i < size; i++) {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 1) planes[0][i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else [planes[0][i], planes[1][i], planes[2][i]] = [r, g, b];
  }
  return { height, width, planes };
}

interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

function centerBox(height: number, width: number, image: Image): Box {
  const h = Math.max(1, Math.min(height, halfEven((width * image.height) / image.width)));
  const w = Math.max(1, Math.min(width, halfEven((height * image.width) / image.height)));
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w };
}

/** Rounded as Python rounds. */
function halfEven(value: number): number {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

function crop({ planes, width }: Planes, box: Box): Planes {
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

/** Bicubic, with antialiasing and rounding after each axis, as Pillow resizes. */
function resized(source: Planes, height: number, width: number): Planes {
  if (source.height === height && source.width === width) return source;
  const planes = source.planes.map((plane) => {
    const wide = width === source.width ? plane : along(plane, source.height, source.width, width);
    return height === source.height ? wide : turned(along(turned(wide, source.height, width), width, source.height, height), width, height);
  });
  return { height, width, planes };
}

/** Each of `rows` rows of `from` values, with `to` values. */
function along(plane: Uint8Array, rows: number, from: number, to: number): Uint8Array {
  const out = new Uint8ClampedArray(rows * to);
  const scale = from / to;
  const stretch = Math.max(1, scale);
  for (let x = 0; x < to; x++) {
    const center = (x + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - 2 * stretch + 0.5));
    const last = Math.min(from, Math.floor(center + 2 * stretch + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) => cubic((i + first - center + 0.5) / stretch));
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

function padded({ planes, height, width }: Planes, image: Image, border: number): Planes {
  const out = planes.map((plane) => {
    const whole = new Uint8Array(image.height * image.width);
    for (let y = 0; y < height; y++) whole.set(plane.subarray(y * width, (y + 1) * width), (y + border) * image.width + border);
    return whole;
  });
  return { height: image.height, width: image.width, planes: out };
}

function isOnPaper({ planes }: Planes): boolean {
  const { paper, ink } = tones(planes[0]);
  return paper > 0.5 && paper - ink >= CONTRAST;
}

function tones(gray: Uint8Array): { paper: number; ink: number } {
  const counts = new Float64Array(256);
  for (const value of gray) counts[value]++;
  const quantile = (share: number): number => {
    let rest = share * (gray.length - 1);
    for (let value = 0; value < 256; value++) if ((rest -= counts[value]) < 0) return value / 255;
    return 1;
  };
  return { paper: quantile(0.5), ink: quantile(0.002) };
}

/** Dark strokes on paper as MNIST has its digits: in a box of 20 of 28 pixels, by their center. */
function strokes(gray: Uint8Array, { height, width }: Planes, { image, border }: Group): Planes {
  const { paper, ink } = tones(gray);
  const bright = Uint8Array.from(gray, (value) => {
    const stroke = Math.min(1, Math.max(0, (paper - value / 255) / (paper - ink)));
    return stroke > STROKE / 2 ? Math.round(255 * stroke) : 0;
  });
  return centered({ height, width, planes: [bright] }, image, border);
}

/** Bright strokes on black, moved and scaled as the digits of MNIST are. */
function centered(source: Planes, image: Image, border: number): Planes {
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

function corner(center: number, side: number, full: number): number {
  return Math.min(Math.max(0, halfEven((full - 1) / 2 - center)), full - side);
}

function boundingBox({ planes, height, width }: Planes): Box {
  let [top, bottom, left, right] = [height, -1, width, -1];
  planes[0].forEach((value, i) => {
    if (value <= 255 * STROKE) return;
    const [y, x] = [Math.floor(i / width), i % width];
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  });
  return { top, left, height: bottom - top + 1, width: right - left + 1 };
}

/** A drawing of bright strokes on black. */
export function drawn(data: ImageData, group: Group): Picture | null {
  const planes = toPlanes(data, group.image.channels);
  if (!planes.planes[0].some((value) => value > 255 * STROKE)) return null;
  return picture(group.ink ? centered(planes, group.image, group.border) : resized(planes, group.image.height, group.image.width));
}
