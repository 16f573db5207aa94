/** A walk of one model between two pictures: its codes, positions and frames. */

import type { Model, Picture } from "./model";
import { between, moved, type Code, type Line } from "./paths";
import { evenPositions, linspace, positionAt } from "./spacing";

export interface Route {
  ends: readonly Picture[];
  line: Line;
  even: boolean;
  frames: number;
  amounts: ReadonlyMap<string, number>;
}

export class Walk {
  private constructor(
    private readonly model: Model,
    private readonly codeAtPosition: (t: number) => Code,
    /** The `t` of each frame. */
    readonly positions: readonly number[],
    readonly frames: readonly Float32Array[],
  ) {}

  static async make(model: Model, route: Route): Promise<Walk> {
    const [a, b] = await Promise.all(route.ends.slice(0, 2).map((end) => model.encode(end)));
    const by = edits(model, route.amounts);
    const codeAt = (t: number): Code => moved(between(route.line, a, b, t), by);
    const curve = (t: number[]): Promise<Float32Array[]> => model.decode(t.map(codeAt));
    const positions = route.even ? await evenPositions(curve, route.frames) : linspace(route.frames);
    return new Walk(model, codeAt, positions, await curve([...positions]));
  }

  /** The images at places of the walk, of which the first frame is at 0 and the last at 1. */
  at(places: readonly number[]): Promise<Float32Array[]> {
    return this.model.decode(places.map((place) => this.codeAtPosition(positionAt(this.positions, place))));
  }
}

/** The directions of a model, each with how far it is gone. */
export function edits(model: Model, amounts: ReadonlyMap<string, number>): [Code, number][] {
  const found: [Code, number][] = [];
  for (const [name, amount] of amounts) {
    const vector = model.directions.get(name);
    if (vector !== undefined && amount !== 0) found.push([vector, amount]);
  }
  return found;
}
