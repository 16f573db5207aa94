/** Positions at which a walk steps evenly, as `interpzoo.geometry.even_positions` finds them, for one curve. */

const LEAST_SAMPLES = 13;
const EVEN = 1.05;
const ITERATIONS = 60;
const SETTLED = 1e-3;
const STILL = 1e-4;
const TRACE = 1e-9;
const TINY = 2.2250738585072014e-308;

export type Curve = (t: number[]) => Promise<Float32Array[]>;

/** `steps` positions from exactly 0 to exactly 1 whose images have even distances. */
export async function evenPositions(curve: Curve, steps: number): Promise<number[]> {
  let t = linspace(Math.max(steps, LEAST_SAMPLES));
  if (steps > 2) {
    const first = await curve(t);
    const between = place(t, first, steps).slice(1, -1);
    const both = [...first, ...(await curve(between))];
    const [lengths, origin] = [distancesFrom(first), Math.sqrt(first[0].reduce((sum, x) => sum + x * x, 0))];
    const moves = Math.sqrt(lengths.reduce((sum, x) => sum + x * x, 0)) > STILL * origin;
    if (!moves) return linspace(steps);
    const chain = [first[0], ...both.slice(first.length), first[first.length - 1]];
    const chords = chain.slice(1).map((point, i) => Math.sqrt(squared(point, chain[i])));
    if (Math.max(...chords) <= EVEN * Math.min(...chords)) return [0, ...between, 1];
    t = place([...t, ...between], both, steps);
  }
  t = linspace(steps).map((u) => at(t, u * (t.length - 1)));
  t[steps - 1] = 1;
  return t;
}

/** The position at a place of a walk whose frames are at `t`; before the first and after the last it is the place. */
export function positionAt(t: readonly number[], place: number): number {
  return place <= 0 || place >= 1 ? place : at(t, place * (t.length - 1));
}

export function linspace(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i / (count - 1));
}

function distancesFrom(points: readonly Float32Array[]): number[] {
  return points.map((point) => Math.sqrt(squared(point, points[0])));
}

function squared(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}

function place(positions: readonly number[], points: readonly Float32Array[], count: number): number[] {
  const order = positions.map((_, i) => i).sort((i, j) => positions[i] - positions[j] || i - j);
  const t = order.map((i) => positions[i]);
  const distances = order.map((i) => order.map((j) => squared(points[i], points[j])));
  const sides = t.slice(1).map((_, i) => distances[i][i + 1]);
  const rough = roughness(t, distances);
  let u = even(t.map((_, i) => i), sides.map(Math.sqrt), count);
  for (let i = 0; i < ITERATIONS; i++) {
    const before = u;
    u = even(u, chords(u, distances, sides, rough), count);
    if (Math.max(...u.map((x, k) => Math.abs(x - before[k]))) < SETTLED) break;
  }
  return u.map((x) => at(t, x));
}

/** How far samples lie beside the chord of their neighbors: 0 on a line, 1 for a random walk, at most 1. */
function roughness(t: readonly number[], distances: readonly number[][]): number {
  let [aside, expected] = [0, 0];
  for (let i = 0; i + 2 < t.length; i++) {
    const w = (t[i + 1] - t[i]) / Math.max(t[i + 2] - t[i], TINY);
    const wide = w * (1 - w) * distances[i][i + 2];
    aside += (1 - w) * distances[i][i + 1] + w * distances[i + 1][i + 2] - wide;
    expected += wide;
  }
  return expected > 0 ? Math.min(1, Math.max(0, aside / expected)) : 0;
}

/** Expected distances of consecutive points at `u`, which counts samples from 0 on. */
function chords(u: readonly number[], distances: readonly number[][], sides: readonly number[], rough: number): number[] {
  const cells = u.map((x) => Math.min(Math.floor(x), sides.length - 1));
  return u.slice(1).map((x, n) => {
    const [i, j] = [cells[n], cells[n + 1]];
    const [v, w] = [u[n] - i, x - j];
    const [left, right] = [[1 - v, v], [1 - w, w]];
    let cross = 0;
    for (let a = 0; a < 2; a++) for (let b = 0; b < 2; b++) cross += left[a] * right[b] * distances[i + a][j + b];
    const apart = v * (1 - v) * sides[i] + w * (1 - w) * sides[j];
    const step = Math.min(1, Math.max(0, w - v));
    const aside = i === j ? step * (1 - step) * sides[i] : apart;
    return Math.sqrt(Math.max(0, cross - apart + rough * aside));
  });
}

/** `count` points at even distances along the polygon of the points `u`, whose sides have these lengths. */
function even(u: readonly number[], lengths: readonly number[], count: number): number[] {
  const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
  const sides = lengths.map((length) => length + TRACE * mean + TINY);
  const arc = [0];
  for (const side of sides) arc.push(arc[arc.length - 1] + side);
  return linspace(count).map((share) => {
    const wanted = share * arc[arc.length - 1];
    let side = 0;
    while (side < sides.length - 1 && arc[side + 1] < wanted) side++;
    return at(u, side + Math.min(1, Math.max(0, (wanted - arc[side]) / sides[side])));
  });
}

/** The value between those of `values` at the place `u`, which counts from 0 on. */
function at(values: readonly number[], u: number): number {
  const i = Math.min(Math.floor(u), values.length - 2);
  return values[i] + (u - i) * (values[i + 1] - values[i]);
}
