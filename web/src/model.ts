/** The models of the folder, and the data sets that they belong to. */

import { distance } from "./fitness";
import { numbers, packed, retried } from "./parts";
import type { Line } from "./paths";
import { Network } from "./runtime";

export interface Image {
  channels: number;
  height: number;
  width: number;
}

/** A picture as the models of a group take it: bytes, channel after channel. */
export interface Picture {
  pixels: Uint8Array;
  /** Its number among the examples; null for one's own. */
  example: number | null;
}

export interface Card {
  name: string;
  method: string;
  title: string;
  paper: string;
  summary: string;
  license: string;
  limitations: string;
  /** The model's own path: linear, slerp or the name of one that needs torch. */
  path: string;
  /** Whether a straight line is a cross-fade: its codes are the pixels themselves. */
  fades: boolean;
  /** Whether the folder has figures of the model's own images. */
  fitness: boolean;
  code: number[];
  directions: string[];
  /** Bytes that are loaded for the decoder and for the encoder. */
  bytes: [number, number];
  /** How many frames were written with the folder: of the strip, and over all positions. */
  written: [number, number] | null;
}

/** Models of the same data, which take the same pictures. */
export interface Group {
  name: string;
  image: Image;
  border: number;
  ink: boolean;
  eyes: [number, number][] | null;
  /** The path at first. */
  line: Line;
  /** Base64 of each example's bytes. */
  pictures: string[];
  models: Card[];
}

export interface Index {
  version: string;
  groups: Group[];
}

export const sizeOf = (shape: Image): number => shape.channels * shape.height * shape.width;

export class Model {
  readonly name: string;
  readonly size: number;
  examples: Float32Array[] = [];
  /** Mean of the example codes and the two axes along which they vary most. */
  map: { mean: Float32Array; axes: [Float32Array, Float32Array] } | null = null;
  directions = new Map<string, Float32Array>();
  private readonly file: string;
  private decoder: Promise<Network> | undefined;
  private encoder: Promise<Network> | undefined;
  private fitness: Promise<Float32Array> | undefined;
  private readonly codes = new WeakMap<Picture, Promise<Float32Array>>();

  constructor(readonly card: Card, private readonly group: Group) {
    this.name = card.name;
    this.size = card.code.reduce((a, b) => a * b, 1);
    this.file = `models/${card.name}.js`;
  }

  /** Loads what is needed to walk between the examples. */
  load(): Promise<Network> {
    this.decoder ??= retried(this.loadDecoder(), () => (this.decoder = undefined));
    return this.decoder;
  }

  /** The code of a picture; those of the examples were computed when the folder was made. */
  encode(picture: Picture): Promise<Float32Array> {
    if (picture.example !== null) return this.load().then(() => this.examples[picture.example as number]);
    let code = this.codes.get(picture);
    if (code === undefined) {
      code = retried(this.computed(picture), () => this.codes.delete(picture));
      this.codes.set(picture, code);
    }
    return code;
  }

  /** Images of codes, one after another: around [0, 1], channel after channel. */
  async decode(codes: readonly Float32Array[]): Promise<Float32Array[]> {
    const decoder = await this.load();
    const flat = new Float32Array(codes.length * this.size);
    codes.forEach((code, i) => flat.set(code, i * this.size));
    const size = sizeOf(this.group.image);
    const images = await decoder.run(flat, this.card.code, size);
    return codes.map((_, i) => images.subarray(i * size, (i + 1) * size));
  }

  /** The distance of a picture from the model's own images, of which 99 % are below 1. */
  async unlike(picture: Picture): Promise<number> {
    this.fitness ??= retried(numbers(this.encoderFile, `${this.name}/fitness`), () => (this.fitness = undefined));
    const [drawn] = await this.decode([await this.encode(picture)]);
    return distance(await this.fitness, valuesOf(picture), drawn, this.group.image);
  }

  private get encoderFile(): string {
    return this.file.replace(/\.js$/, ".encoder.js");
  }

  private async computed(picture: Picture): Promise<Float32Array> {
    this.encoder ??= retried(
      packed(this.encoderFile, `${this.name}/encoder`).then(Network.load),
      () => (this.encoder = undefined),
    );
    const { channels, height, width } = this.group.image;
    return (await this.encoder).run(valuesOf(picture), [channels, height, width], this.size);
  }

  private async loadDecoder(): Promise<Network> {
    const [network, codes] = await Promise.all([
      packed(this.file, `${this.name}/decoder`),
      numbers(this.file, `${this.name}/codes`),
    ]);
    const rows: Float32Array[] = [];
    for (let i = 0; i < codes.length; i += this.size) rows.push(codes.subarray(i, i + this.size));
    this.examples = rows.splice(0, this.group.pictures.length);
    this.card.directions.forEach((name, i) => this.directions.set(name, rows[i]));
    const [mean, x, y] = rows.slice(this.card.directions.length);
    if (y !== undefined) this.map = { mean, axes: [x, y] };
    return Network.load(network);
  }
}

function valuesOf(picture: Picture): Float32Array {
  return Float32Array.from(picture.pixels, (byte) => byte / 255);
}
