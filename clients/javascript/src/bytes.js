// Section 2: byte strings and big-endian integers.
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

export { bytesToHex as hex, concatBytes as concat, hexToBytes as unhex, utf8ToBytes as ascii };

/** @param {number} value @returns {Uint8Array} */
export const u8 = (value) => Uint8Array.of(value);

/** @param {number} value @returns {Uint8Array} */
export function u16(value) {
  const out = new Uint8Array(2);
  new DataView(out.buffer).setUint16(0, value);
  return out;
}

/** @param {number} value @returns {Uint8Array} */
export function u32(value) {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

/** @param {number | bigint} value @returns {Uint8Array} */
export function u64(value) {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value));
  return out;
}

/** @param {Uint8Array} bytes @returns {DataView} over exactly these bytes */
export const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Equality of values that are no secrets. @param {Uint8Array} a @param {Uint8Array} b */
export const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** Equality in a time that depends on the lengths only. @param {Uint8Array} a @param {Uint8Array} b */
export function sameSecret(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

// `ignoreBOM` keeps a leading U+FEFF as text: dropping it would be a second spelling of one value.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @param {Uint8Array} bytes @returns {string} @throws {TypeError} if they are not UTF-8 */
export const fromUtf8 = (bytes) => UTF8.decode(bytes);

/** A copy that shares no memory with a larger buffer. @param {Uint8Array} bytes */
export const copy = (bytes) => Uint8Array.from(bytes);
