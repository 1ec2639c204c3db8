// Sections 2.1 and 11.1: types with bounds, and maps whose keys stand for named fields.
//
// A type is `{ read(value), write(value) }` between canonical values and what the rest of this client
// works with; both refuse (`encoding`) what is out of bounds. u63 and other fields that may exceed
// 2^53 are bigints, the smaller integers and floats are numbers.
import { decode, encode, F64 } from './canonical.js';
import { demand } from './errors.js';

/** @typedef {import('./canonical.js').Value} Value */
/** @template T @typedef {{ read(value: Value): T, write(value: T): Value }} Type */

const MAX_U63 = (1n << 63n) - 1n;

/** A type that is the same inside and outside. @template T @param {(value: any) => boolean} fits @param {string} name @returns {Type<T>} */
function plain(fits, name) {
  const check = (/** @type {any} */ value) => {
    demand(fits(value), 'encoding', `a value that is not ${name}`);
    return value;
  };
  return { read: check, write: check };
}

/** An integer of low..high, both safe. @param {number} low @param {number} high @returns {Type<number>} */
export const integer = (low, high) =>
  plain((value) => typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high, `${low}..${high}`);

export const U8 = integer(0, 2 ** 8 - 1);
export const U16 = integer(0, 2 ** 16 - 1);
export const U32 = integer(0, 2 ** 32 - 1);

/** @type {Type<bigint>} */
export const U63 = {
  read(value) {
    demand(typeof value === 'bigint' || Number.isInteger(value), 'encoding', 'a value that is not u63');
    return U63.write(BigInt(/** @type {number} */ (value)));
  },
  write(value) {
    demand(typeof value === 'bigint' && value >= 0n && value <= MAX_U63, 'encoding', 'a value that is not u63');
    return value;
  },
};

/** A float with bounds. @param {(value: number) => boolean} fits @param {string} name @returns {Type<number>} */
export const float = (fits, name) => {
  const check = (/** @type {number} */ value) =>
    demand(typeof value === 'number' && Number.isFinite(value) && fits(value), 'encoding', `a value that is not ${name}`);
  return {
    read(value) {
      demand(value instanceof F64, 'encoding', `a value that is not ${name}`);
      check(value.value);
      return value.value;
    },
    write(value) {
      check(value);
      return new F64(value);
    },
  };
};

export const FRACTION = float((value) => value >= 0 && value <= 1, 'a fraction');
export const NONNEG = float((value) => value >= 0, 'a number of 0 or more');
export const SECONDS = float((value) => value >= 0 && value <= 604800, 'a duration');

/** @type {Type<boolean>} */
export const BOOL = plain((value) => typeof value === 'boolean', 'true or false');

/** Text of low..high code points. @param {number} low @param {number} high @returns {Type<string>} */
export const text = (low, high) =>
  plain((value) => {
    if (typeof value !== 'string' || value.length > 2 * high) return false;
    const points = [...value].length;
    return points >= low && points <= high;
  }, `text of ${low}..${high} characters`);

/** A byte string of low..high bytes. @param {number} low @param {number} [high] @returns {Type<Uint8Array>} */
export const bytes = (low, high = low) =>
  plain((value) => value instanceof Uint8Array && value.length >= low && value.length <= high, `bytes of ${low}..${high}`);

export const HASH = bytes(32);
export const NODE = bytes(32);
export const RUN = bytes(16);

/** An array of low..high elements. @template T @param {Type<T>} type @param {number} low @param {number} high @returns {Type<T[]>} */
export function array(type, low, high) {
  const check = (/** @type {any} */ value) =>
    demand(Array.isArray(value) && value.length >= low && value.length <= high, 'encoding', `an array of ${low}..${high} elements`);
  return {
    read: (value) => {
      check(value);
      return /** @type {Value[]} */ (value).map((item) => type.read(item));
    },
    write: (value) => {
      check(value);
      return value.map((item) => type.write(item));
    },
  };
}

/** An array with one type a place. @param {Type<any>[]} types @returns {Type<any[]>} */
export function tuple(...types) {
  const check = (/** @type {any} */ value) =>
    demand(Array.isArray(value) && value.length === types.length, 'encoding', `an array of ${types.length} elements`);
  return {
    read: (value) => {
      check(value);
      return types.map((type, i) => type.read(/** @type {Value[]} */ (value)[i]));
    },
    write: (value) => {
      check(value);
      return types.map((type, i) => type.write(value[i]));
    },
  };
}

/**
 * A structure: `{ name: [key, type] }`, with `'optional'` as a third element where it may be absent.
 * `closed` refuses unknown fields of either parity.
 * @param {Record<string, [number, Type<any>, 'optional'?]>} fields
 * @param {{ closed?: boolean }} [options]
 * @returns {Type<any> & { decode(bytes: Uint8Array, limit: number): any, encode(value: any): Uint8Array }}
 */
export function structure(fields, { closed = false } = {}) {
  const entries = Object.entries(fields);
  const known = new Set(entries.map(([, [key]]) => key));
  const type = {
    /** @param {Value} value */
    read(value) {
      demand(value instanceof Map, 'encoding', 'a structure that is no map');
      for (const key of value.keys()) {
        demand(known.has(key) || (key % 2 === 1 && !closed), 'encoding', `an unknown field ${key}`);
      }
      /** @type {Record<string, any>} */
      const out = {};
      for (const [name, [key, of, optional]] of entries) {
        const item = value.get(key);
        if (item !== undefined) out[name] = of.read(item);
        else demand(optional, 'encoding', `the field ${name} is missing`);
      }
      return out;
    },
    /** @param {Record<string, any>} value */
    write(value) {
      const map = new Map();
      for (const [name, [key, of, optional]] of entries) {
        if (value[name] !== undefined) map.set(key, of.write(value[name]));
        else demand(optional, 'encoding', `the field ${name} is missing`);
      }
      return map;
    },
  };
  return {
    ...type,
    decode: (data, limit) => type.read(decode(data, limit)),
    encode: (value) => encode(type.write(value)),
  };
}
