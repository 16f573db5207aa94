/** Frames that were written with the folder, between the first two examples: they are shown while the runtime starts. */

import { sizeOf, type Card, type Image } from "./model";
import { part } from "./parts";
import { LIMITS, type State } from "./state";

export class Written {
  private constructor(
    /** Of the strip, in [0, 1]. */
    readonly strip: Float32Array[],
    /** At even positions, over all that the slider has. */
    private readonly places: Float32Array[],
  ) {}

  /** Those of a model; null if they would be too large, as of large images. */
  static async load({ name, written }: Card, image: Image): Promise<Written | null> {
    if (written === null) return null;
    const differences = await part(`models/${name}.frames.js`, `${name}/frames`);
    const size = sizeOf(image);
    for (let i = size; i < differences.length; i++) differences[i] += differences[i - size];
    const frames: Float32Array[] = [];
    for (let i = 0; i < differences.length; i += size) {
      frames.push(Float32Array.from(differences.subarray(i, i + size), (byte) => byte / 255));
    }
    return new Written(frames.slice(0, written[0]), frames.slice(written[0]));
  }

  /** Whether they are those of a state. */
  static fit({ group, view, ends, line, even, frames, amounts }: State, { written }: Card): boolean {
    const first = ends[0].example === 0 && ends[1].example === 1;
    const plain = line === group.line && !even && [...amounts.values()].every((amount) => amount === 0);
    return view === "walk" && first && plain && frames === written?.[0];
  }

  /** Distance of the positions. */
  get step(): number {
    return (LIMITS.place[1] - LIMITS.place[0]) / (this.places.length - 1);
  }

  /** The frame nearest to a position. */
  at(place: number): Float32Array {
    return this.places[Math.round((place - LIMITS.place[0]) / this.step)];
  }
}
