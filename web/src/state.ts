/** What the page shows, and the link that restores it. */

import { sizeOf, type Group, type Index, type Picture } from "./model";
import type { Line } from "./paths";

export type View = "walk" | "corners" | "map";

export interface State {
  group: Group;
  /** Names of the models that are shown. */
  models: Set<string>;
  /** Two ends of a walk, and the four corners of a plane: top left, top right, bottom left, bottom right. */
  ends: Picture[];
  /** The end that the next picture is for. */
  chosen: number;
  view: View;
  place: number;
  line: Line;
  even: boolean;
  frames: number;
  seconds: number;
  /** Point in the plane between four corners, and in the map. */
  point: [number, number];
  /** How far each direction is gone. */
  amounts: Map<string, number>;
}

const SHOWN = 3; // models at first
const MOST_LINK = 1 << 16; // characters

export const LIMITS = { place: [-0.5, 1.5], frames: [3, 25], seconds: [0.5, 20], amount: [-3, 3] } as const;

export function initial(group: Group): State {
  return {
    group,
    models: new Set(group.models.slice(0, SHOWN).map((card) => card.name)),
    ends: [0, 1, 2, 3].map((n) => example(group, n % Math.max(1, group.pictures.length))),
    chosen: 0,
    view: "walk",
    place: 0.5,
    line: group.line,
    even: false,
    frames: 9,
    seconds: 2,
    point: [0.5, 0.5],
    amounts: new Map(),
  };
}

const cache = new Map<Group, Picture[]>();

/** An example; the same object each time, so that its codes are found again. */
export function example(group: Group, n: number): Picture {
  let pictures = cache.get(group);
  if (pictures === undefined) {
    pictures = group.pictures.map((content, i) => ({ pixels: bytes(content), example: i }));
    cache.set(group, pictures);
  }
  return pictures[n];
}

/** The part of a link after `#`; `complete` is false if one's own pictures are too large for a link. */
export async function toLink(state: State): Promise<{ link: string; complete: boolean }> {
  const values = new URLSearchParams({
    p: state.group.name,
    m: [...state.models].join(" "),
    v: state.view,
    t: String(state.place),
    l: state.line,
    s: String(state.even),
    n: String(state.frames),
    d: String(state.seconds),
    at: state.point.join(" "),
  });
  for (const [name, amount] of state.amounts) if (amount !== 0) values.append("e", `${name} ${amount}`);
  let complete = true;
  for (const [i, end] of state.ends.entries()) {
    const own = end.example === null && i < (state.view === "corners" ? 4 : 2);
    const content = own ? await packed(end.pixels) : "";
    if (content.length + values.toString().length > MOST_LINK) complete = false;
    values.append("x", own && complete ? `.${content}` : String(end.example ?? 0));
  }
  return { link: values.toString(), complete };
}

/** The state of a link; what it does not say or says wrongly is as at first. */
export async function fromLink(link: string, index: Index): Promise<State> {
  const values = new URLSearchParams(link.slice(0, 2 * MOST_LINK));
  const state = initial(index.groups.find((group) => group.name === values.get("p")) ?? index.groups[0]);
  const models = (values.get("m") ?? "").split(" ").filter((name) => state.group.models.some((c) => c.name === name));
  if (models.length > 0) state.models = new Set(models);
  const view = values.get("v");
  if (view === "corners" || view === "map") state.view = view;
  const line = values.get("l");
  if (line === "linear" || line === "slerp") state.line = line;
  state.even = values.get("s") === "true";
  state.place = within(values.get("t"), LIMITS.place, state.place);
  state.frames = Math.round(within(values.get("n"), LIMITS.frames, state.frames));
  state.seconds = within(values.get("d"), LIMITS.seconds, state.seconds);
  const [u, v] = (values.get("at") ?? "").split(" ");
  state.point = [within(u, [0, 1], 0.5), within(v, [0, 1], 0.5)];
  for (const edit of values.getAll("e")) {
    const [name, amount] = edit.split(" ");
    if (state.group.models.some((card) => card.directions.includes(name))) {
      state.amounts.set(name, within(amount, LIMITS.amount, 0));
    }
  }
  for (const [i, end] of values.getAll("x").slice(0, 4).entries()) {
    const own = end.startsWith(".") ? await unpacked(end.slice(1), sizeOf(state.group.image)) : null;
    const n = Number(end);
    if (own !== null) state.ends[i] = { pixels: own, example: null };
    else if (Number.isInteger(n) && n >= 0 && n < state.group.pictures.length) state.ends[i] = example(state.group, n);
  }
  return state;
}

export function within(text: string | null | undefined, [low, high]: readonly [number, number], otherwise: number): number {
  const value = text === null || text === undefined || text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
}

function bytes(content: string): Uint8Array {
  return Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
}

async function packed(pixels: Uint8Array): Promise<string> {
  const stream = new Blob([pixels as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const content = new Uint8Array(await new Response(stream).arrayBuffer());
  const binary = Array.from(content, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** `size` bytes of what `packed` gave, or null if it is something else. */
async function unpacked(content: string, size: number): Promise<Uint8Array | null> {
  try {
    const packedBytes = bytes(content.replaceAll("-", "+").replaceAll("_", "/")) as Uint8Array<ArrayBuffer>;
    const reader = new Blob([packedBytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    const pixels = new Uint8Array(size);
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return length === size ? pixels : null;
      if (length + value.length > size) return null;
      pixels.set(value, length);
      length += value.length;
    }
  } catch {
    return null;
  }
}
