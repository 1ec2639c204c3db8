// Section 15.1: the name of a blob.
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, u64, u8 } from './bytes.js';

const LEAF = 65536;

/** Root over leaves low..high (exclusive, at least one). @param {Uint8Array[]} leaves @param {number} low @param {number} high @returns {Uint8Array} */
function root(leaves, low, high) {
  const n = high - low;
  if (n === 1) return leaves[low];
  let k = 1;
  while (2 * k < n) k *= 2;
  return sha256(concat(u8(1), root(leaves, low, low + k), root(leaves, low + k, high)));
}

/** @param {Uint8Array} blob @returns {Uint8Array} 32 bytes */
export function blobHash(blob) {
  const leaves = [];
  for (let at = 0; at < blob.length; at += LEAF) leaves.push(sha256(concat(u8(0), blob.subarray(at, at + LEAF))));
  const top = leaves.length ? root(leaves, 0, leaves.length) : sha256(new Uint8Array(0));
  return sha256(concat(u8(2), u64(blob.length), top));
}
