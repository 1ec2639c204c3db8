// Section 11: the one encoding of each value.
//
// JavaScript has one number type, the encoding two: an integer is a number (if safe) or a bigint, a
// float is an `F64`. Text is string, bytes Uint8Array, a map is a Map with integer keys.
// `@msgpack/msgpack` cannot be used for this: it reads every spelling of a value, believes announced
// counts, does not tell 1 from 1.0 and writes no integer keys. The tests use it as a second opinion.
import { concat, copy, fromUtf8, view } from './bytes.js';
import { demand, QrfldError } from './errors.js';

/** Containers inside each other, the outermost counted. */
export const MAX_DEPTH = 8;
const MAX_KEY = 65535;

/** A binary64 as it stands in a message. */
export class F64 {
  /** @param {number} value finite */
  constructor(value) {
    this.value = value;
  }
}

/**
 * @typedef {null | boolean | number | bigint | string | F64 | Uint8Array | Value[] | Map<number, Value>} Value
 */

const fail = (/** @type {string} */ message) => {
  throw new QrfldError('encoding', message);
};

/** A head byte and a big-endian integer. @param {number} head @param {1|2|4|8} size @param {number|bigint} n */
function headed(head, size, n) {
  const out = new Uint8Array(1 + size);
  out[0] = head;
  let rest = BigInt(n);
  for (let i = size; i > 0; i--, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

/** @param {number | bigint} value @returns {Uint8Array} */
function encodeInteger(value) {
  const n = BigInt(value);
  if (n >= 0n) {
    if (n < 0x80n) return Uint8Array.of(Number(n));
    if (n < 1n << 8n) return headed(0xcc, 1, n);
    if (n < 1n << 16n) return headed(0xcd, 2, n);
    if (n < 1n << 32n) return headed(0xce, 4, n);
    return n < 1n << 64n ? headed(0xcf, 8, n) : fail('an integer of 2^64 or more');
  }
  if (n >= -32n) return Uint8Array.of(Number(n + 256n));
  if (n >= -(1n << 7n)) return headed(0xd0, 1, n);
  if (n >= -(1n << 15n)) return headed(0xd1, 2, n);
  if (n >= -(1n << 31n)) return headed(0xd2, 4, n);
  return n >= -(1n << 63n) ? headed(0xd3, 8, n) : fail('an integer below -2^63');
}

/** @param {number} value @returns {Uint8Array} */
function encodeFloat(value) {
  demand(Number.isFinite(value), 'encoding', 'a number that is not finite');
  const out = new Uint8Array(9);
  out[0] = 0xcb;
  view(out).setFloat64(1, value);
  return out;
}

/** Head of a string, array or map. @param {number} n @param {number} fix @param {number} fixed @param {number} first */
function head(n, fix, fixed, first) {
  if (n <= fixed) return Uint8Array.of(fix | n);
  return n < 1 << 16 ? headed(first, 2, n) : headed(first + 1, 4, n);
}

/** @param {string} text */
function encodeText(text) {
  demand(text.isWellFormed(), 'encoding', 'text with a lone surrogate');
  const bytes = new TextEncoder().encode(text);
  const start = bytes.length > 31 && bytes.length < 256 ? headed(0xd9, 1, bytes.length) : head(bytes.length, 0xa0, 31, 0xda);
  return concat(start, bytes);
}

/**
 * The bytes of a value.
 * @param {Value} value
 * @param {number} [depth] containers around it
 * @returns {Uint8Array}
 * @throws {QrfldError} `encoding`: a value outside the subset, or too deep
 */
export function encode(value, depth = 0) {
  if (value === null) return Uint8Array.of(0xc0);
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xc3 : 0xc2);
  if (typeof value === 'number') {
    demand(Number.isSafeInteger(value), 'encoding', `${value} is not a safe integer`);
    return encodeInteger(value);
  }
  if (typeof value === 'bigint') return encodeInteger(value);
  if (typeof value === 'string') return encodeText(value);
  if (value instanceof F64) return encodeFloat(value.value);
  if (value instanceof Uint8Array) {
    const start = value.length < 256 ? headed(0xc4, 1, value.length) : head(value.length, 0, -1, 0xc5);
    return concat(start, value);
  }
  demand(depth < MAX_DEPTH, 'encoding', 'containers too deep');
  if (Array.isArray(value)) {
    return concat(head(value.length, 0x90, 15, 0xdc), ...value.map((item) => encode(item, depth + 1)));
  }
  demand(value instanceof Map, 'encoding', 'a value of no canonical type');
  return encodeMap(value, depth);
}

/** @param {Map<number, Value>} map @param {number} depth */
function encodeMap(map, depth) {
  const parts = [head(map.size, 0x80, 15, 0xde)];
  for (const [key, item] of [...map].sort(([a], [b]) => a - b)) {
    demand(Number.isInteger(key) && key >= 0 && key <= MAX_KEY, 'encoding', `map key ${key}`);
    parts.push(encodeInteger(key), encode(item, depth + 1));
  }
  return concat(...parts);
}

/** Reads one value from bytes that are all there; each length is compared with them before it is used. */
class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = view(bytes);
    this.at = 0;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  /** @param {number} n */
  take(n) {
    demand(n <= this.left, 'encoding', 'the value is cut short');
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }

  /** An unsigned integer of 1, 2, 4 or 8 bytes. @param {number} size @returns {bigint} */
  unsigned(size) {
    return this.take(size).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  }

  /** A length or count of `size` bytes, at least `least`. @param {number} size @param {number} least */
  length(size, least) {
    const n = Number(this.unsigned(size));
    demand(n >= least, 'encoding', 'a length that is not in the shortest form');
    return n;
  }

  /** @param {number} depth @returns {Value} */
  value(depth) {
    const byte = this.take(1)[0];
    if (byte < 0x80) return byte;
    if (byte >= 0xe0) return byte - 256;
    if (byte < 0x90) return this.map(byte & 15, depth);
    if (byte < 0xa0) return this.array(byte & 15, depth);
    if (byte < 0xc0) return this.text(byte & 31);
    switch (byte) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return copy(this.take(this.length(1, 0)));
      case 0xc5: return copy(this.take(this.length(2, 1 << 8)));
      case 0xc6: return copy(this.take(this.length(4, 1 << 16)));
      case 0xcb: return this.float();
      case 0xcc: return this.integer(1, 0x80n);
      case 0xcd: return this.integer(2, 1n << 8n);
      case 0xce: return this.integer(4, 1n << 16n);
      case 0xcf: return this.integer(8, 1n << 32n);
      case 0xd0: return this.negative(1, -32n);
      case 0xd1: return this.negative(2, -(1n << 7n));
      case 0xd2: return this.negative(4, -(1n << 15n));
      case 0xd3: return this.negative(8, -(1n << 31n));
      case 0xd9: return this.text(this.length(1, 32));
      case 0xda: return this.text(this.length(2, 1 << 8));
      case 0xdb: return this.text(this.length(4, 1 << 16));
      case 0xdc: return this.array(this.length(2, 16), depth);
      case 0xdd: return this.array(this.length(4, 1 << 16), depth);
      case 0xde: return this.map(this.length(2, 16), depth);
      case 0xdf: return this.map(this.length(4, 1 << 16), depth);
      default: return fail(`byte 0x${byte.toString(16)} begins no value`);
    }
  }

  /** @param {number} size @param {bigint} least @returns {number | bigint} */
  integer(size, least) {
    const n = this.unsigned(size);
    demand(n >= least, 'encoding', 'an integer that is not in the shortest form');
    return n <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(n) : n;
  }

  /** @param {number} size @param {bigint} above the value has to be below this @returns {number | bigint} */
  negative(size, above) {
    const n = BigInt.asIntN(size * 8, this.unsigned(size));
    demand(n < above, 'encoding', 'an integer that is not in the shortest form');
    return n >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(n) : n;
  }

  float() {
    const value = view(this.take(8)).getFloat64(0);
    demand(Number.isFinite(value), 'encoding', 'a number that is not finite');
    return new F64(value);
  }

  /** @param {number} n */
  text(n) {
    const bytes = this.take(n);
    try {
      return fromUtf8(bytes);
    } catch {
      return fail('text that is not UTF-8');
    }
  }

  /** @param {number} n @param {number} depth @returns {Value[]} */
  array(n, depth) {
    demand(depth < MAX_DEPTH, 'encoding', 'containers too deep');
    demand(n <= this.left, 'encoding', 'more elements announced than bytes are left');
    const items = [];
    for (let i = 0; i < n; i++) items.push(this.value(depth + 1));
    return items;
  }

  /** @param {number} n @param {number} depth @returns {Map<number, Value>} */
  map(n, depth) {
    demand(depth < MAX_DEPTH, 'encoding', 'containers too deep');
    demand(2 * n <= this.left, 'encoding', 'more entries announced than bytes are left');
    const map = new Map();
    let last = -1;
    for (let i = 0; i < n; i++) {
      const key = this.key();
      demand(key > last, 'encoding', 'map keys that do not ascend');
      map.set(key, this.value(depth + 1));
      last = key;
    }
    return map;
  }

  /** @returns {number} */
  key() {
    const byte = this.take(1)[0];
    if (byte < 0x80) return byte;
    if (byte === 0xcc) return Number(this.integer(1, 0x80n));
    return byte === 0xcd ? Number(this.integer(2, 1n << 8n)) : fail('a map key that is no integer of 0..65535');
  }
}

/**
 * The value of bytes that hold exactly one.
 * @param {Uint8Array} bytes
 * @param {number} limit how many there may be
 * @returns {Value} whose byte strings are copies
 * @throws {QrfldError} `encoding`
 */
export function decode(bytes, limit) {
  demand(bytes.length <= limit, 'encoding', `${bytes.length} bytes, over the limit of ${limit}`);
  const reader = new Reader(bytes);
  const value = reader.value(0);
  demand(reader.left === 0, 'encoding', 'bytes after the value');
  return value;
}
