// How the Python task `digits` divides one data set among the members, index for index: raw PCG64 words
// and exact sums, so that every implementation comes to the same parts.
import { Pcg64 } from './pcg64.js';
import { demand } from './errors.js';

/** 0..count-1 in random order. @param {number} count @param {Pcg64} bits @returns {number[]} */
function shuffled(count, bits) {
  const words = bits.words(count);
  return [...words.keys()].sort((a, b) => (words[a] < words[b] ? -1 : words[a] > words[b] ? 1 : a - b));
}

/** @param {number} samples @param {number} nodes @param {number} minimum */
function check(samples, nodes, minimum) {
  demand(nodes >= 1 && samples >= nodes * minimum, 'task', `${samples} samples cannot give ${nodes} members ${minimum} each`);
}

/** Parts whose sizes differ by one at most. @param {number} samples @param {number} nodes @param {bigint} seed @param {number} minimum @returns {number[][]} */
export function iid(samples, nodes, seed, minimum) {
  check(samples, nodes, minimum);
  const order = shuffled(samples, new Pcg64(seed));
  const parts = [];
  for (let node = 0, at = 0; node < nodes; node++) {
    const size = Math.floor(samples / nodes) + (node < samples % nodes ? 1 : 0);
    parts.push(order.slice(at, at + size));
    at += size;
  }
  return parts;
}

/**
 * Each label spread by Dirichlet(alpha), drawn as Pólya's urn.
 * @param {Uint8Array} labels @param {number} nodes @param {number} alpha @param {bigint} seed @param {number} minimum
 * @returns {number[][]} indices of each member's samples
 */
export function dirichlet(labels, nodes, alpha, seed, minimum) {
  check(labels.length, nodes, minimum);
  const bits = new Pcg64(seed);
  const order = shuffled(labels.length, bits);
  const owners = new Uint32Array(labels.length);
  for (const label of [...new Set(labels)].sort((a, b) => a - b)) {
    const members = order.filter((index) => labels[index] === label);
    const draws = bits.uniform(members.length);
    const weights = new Float64Array(nodes).fill(alpha);
    members.forEach((index, i) => {
      owners[index] = drawn(weights, draws[i]);
      weights[owners[index]] += 1;
    });
  }
  const parts = Array.from({ length: nodes }, (_, node) => order.filter((index) => owners[index] === node));
  return filled(parts, minimum);
}

/** The first node whose running sum of weights exceeds the draw. @param {Float64Array} weights @param {number} draw */
function drawn(weights, draw) {
  const heaps = [];
  for (const weight of weights) heaps.push((heaps[heaps.length - 1] ?? 0) + weight);
  const mark = draw * heaps[heaps.length - 1];
  const owner = heaps.findIndex((heap) => heap > mark);
  return owner === -1 ? weights.length - 1 : owner;
}

/** What a part lacks comes from the end of the largest. @param {number[][]} parts @param {number} minimum */
function filled(parts, minimum) {
  for (;;) {
    const sizes = parts.map(({ length }) => length);
    const small = sizes.indexOf(Math.min(...sizes));
    const large = sizes.indexOf(Math.max(...sizes));
    const missing = minimum - sizes[small];
    if (missing <= 0) return parts;
    const moved = Math.min(missing, sizes[large] - minimum);
    parts[small].push(...parts[large].splice(sizes[large] - moved));
  }
}
