/** Paths between codes, as `interpzoo.geometry.paths` has them. */

export type Line = "linear" | "slerp";
export type Code = Float32Array;

const NEAR = 1e-4; // angles (radians) this near to 0 or pi: there the great circle is a line, or not unique
const NO_NORM = 1e-12; // a code whose norm is at most this share of the other one has no direction

/** The code at `t` between two, exact at 0 and 1; outside the line or circle goes on. */
export function between(line: Line, a: Code, b: Code, t: number): Code {
  return line === "slerp" ? slerp(a, b, t) : lerp(a, b, t);
}

function lerp(a: Code, b: Code, t: number): Code {
  return a.map((x, i) => (t < 0.5 ? x + t * (b[i] - x) : b[i] - (1 - t) * (b[i] - x)));
}

function slerp(a: Code, b: Code, t: number): Code {
  const [p, q] = [norm(a), norm(b)];
  if (Math.min(p, q) <= NO_NORM * Math.max(p, q)) return lerp(a, b, t);
  let [apart, along] = [0, 0];
  a.forEach((x, i) => {
    apart += (x / p - b[i] / q) ** 2;
    along += (x / p + b[i] / q) ** 2;
  });
  const angle = 2 * Math.atan2(Math.sqrt(apart), Math.sqrt(along));
  if (angle < NEAR || angle > Math.PI - NEAR) return lerp(a, b, t);
  const size = (1 - t) * p + t * q; // the norm changes linearly
  const s = ((Math.sin((1 - t) * angle) / Math.sin(angle)) * size) / p;
  const u = ((Math.sin(t * angle) / Math.sin(angle)) * size) / q;
  return a.map((x, i) => s * x + u * b[i]);
}

/** The code at (`u`, `v`) between four corners: first down both sides, then across, as `model.grid` does. */
export function inPlane(line: Line, corners: readonly Code[], u: number, v: number): Code {
  const [topLeft, topRight, bottomLeft, bottomRight] = corners;
  return between(line, between(line, topLeft, bottomLeft, v), between(line, topRight, bottomRight, v), u);
}

/** `code` moved by an amount of each direction. */
export function moved(code: Code, by: readonly (readonly [Code, number])[]): Code {
  return code.map((x, i) => by.reduce((sum, [vector, amount]) => sum + amount * vector[i], x));
}

export function norm(values: Code): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}
