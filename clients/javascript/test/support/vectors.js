// The files of spec/vectors, with hex strings turned into bytes.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { concat, unhex, view } from '../../src/bytes.js';
import { F64 } from '../../src/canonical.js';

const ROOT = new URL('../../../../spec/vectors/', import.meta.url);

/** @param {string} name of a file below spec/vectors @returns {any} */
export const vectors = (name) => JSON.parse(readFileSync(new URL(name, ROOT), 'utf8'));

/** Every vector of an area, with its path. @param {string} area @returns {[string, any][]} */
export function area(area) {
  if (!existsSync(new URL(`${area}/`, ROOT))) return [];
  const names = readdirSync(new URL(`${area}/`, ROOT), { recursive: true });
  return names.filter((name) => String(name).endsWith('.json')).sort().map((name) => [`${area}/${name}`, vectors(`${area}/${name}`)]);
}

/** Section 20.2: bytes. @param {any} value @returns {Uint8Array} */
export function bytesOf(value) {
  if (typeof value === 'string') return unhex(value);
  return concat(...value.map((/** @type {any} */ piece) =>
    typeof piece === 'string' ? unhex(piece) : unhex(piece.repeat.repeat(piece.times))));
}

/** Section 20.2: a canonical value. @param {any} value @returns {any} */
export function valueOf(value) {
  if (value === null || typeof value === 'boolean') return value;
  const [[kind, content]] = Object.entries(value);
  switch (kind) {
    case 'int': {
      const n = BigInt(content);
      return Number.isSafeInteger(Number(n)) ? Number(n) : n;
    }
    case 'float': return new F64(view(unhex(content)).getFloat64(0));
    case 'text': return content;
    case 'bytes': return bytesOf(content);
    case 'array': return content.map(valueOf);
    case 'map': return new Map(content.map(([key, item]) => [key, valueOf(item)]));
    default: throw new Error(`a value of kind ${kind}`);
  }
}

const camel = (/** @type {string} */ name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** Compares what this client read with a vector's `fields`. @param {any} read @param {any} expected */
export function assertFields(read, expected) {
  const names = Object.keys(expected);
  assert.deepEqual(Object.keys(read).sort(), names.map(camel).sort());
  for (const name of names) assertValue(read[camel(name)], expected[name]);
}

/** @param {any} read @param {any} expected */
function assertValue(read, expected) {
  if (expected === null || typeof expected === 'boolean') return assert.equal(read, expected);
  const [[kind, content]] = Object.entries(expected);
  if (kind === 'fields') return assertFields(read, content);
  if (kind === 'array') {
    assert.equal(read.length, content.length);
    return read.forEach((/** @type {any} */ item, /** @type {number} */ i) => assertValue(item, content[i]));
  }
  const value = valueOf(expected);
  if (kind === 'int') return assert.equal(BigInt(read), BigInt(value));
  // A float field is a number here; among `params`, where kinds are told apart, it stays an F64.
  if (kind === 'float') return assert.ok(Object.is(read instanceof F64 ? read.value : read, value.value));
  return assert.deepEqual(read, value);
}
