// What `canonical.js` writes, read by a library that shares nothing with it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode as reference } from '@msgpack/msgpack';
import { decode, encode, F64 } from '../src/canonical.js';

/** A value as the library gives it. @param {any} value @returns {any} */
function asPlain(value) {
  if (value instanceof F64) return value.value;
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), asPlain(item)]));
  if (Array.isArray(value)) return value.map(asPlain);
  return typeof value === 'number' ? BigInt(value) : value;
}

/** Integers of 64 bits come as bigints, smaller ones as numbers. @param {any} value @returns {any} */
function asBig(value) {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(asBig);
  if (value !== null && typeof value === 'object' && !(value instanceof Uint8Array)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asBig(item)]));
  }
  return value;
}

/** A random value. @param {number} depth @returns {any} */
function anything(depth) {
  const pick = (/** @type {number} */ n) => Math.floor(Math.random() * n);
  const size = () => [0, 1, 15, 16, 31, 32, 40, 255, 256][pick(9)];
  const makers = [
    () => null,
    () => Math.random() < 0.5,
    () => pick(2 ** 16) - 2 ** 15,
    () => BigInt.asUintN(1 + pick(64), BigInt(pick(2 ** 31)) * 0x123456789abn),
    () => -BigInt.asUintN(1 + pick(63), BigInt(pick(2 ** 31)) * 0x123456789abn),
    () => new F64(Math.random() + 0.5 ** 60),
    () => 'é'.repeat(size()),
    () => new Uint8Array(size()).fill(7),
    () => Array.from({ length: depth < 4 ? pick(20) : 0 }, () => anything(depth + 1)),
    () => new Map(Array.from({ length: depth < 4 ? pick(20) : 0 }, () => [pick(65536), anything(depth + 1)])),
  ];
  return makers[pick(makers.length)]();
}

test('a second reader finds the value that was written', () => {
  for (let i = 0; i < 500; i++) {
    const value = anything(1);
    const bytes = encode(value);
    const read = reference(bytes, { useBigInt64: true, mapKeyConverter: (key) => /** @type {any} */ (key) });
    assert.deepEqual(asBig(read), asPlain(value));
    assert.deepEqual(encode(decode(bytes, bytes.length)), bytes);
  }
});
