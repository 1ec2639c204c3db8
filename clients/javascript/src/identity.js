// Section 4.1: who a node is.
import { randomBytes } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { ascii, concat, u8 } from './bytes.js';
import { demand } from './errors.js';
import { suiteOf } from './suites.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** @param {Uint8Array} bytes @returns {string} RFC 4648 base32 in upper case, without padding */
export function base32(bytes) {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += ALPHABET[(held >> (bits - 5)) & 31];
    held &= 31;
  }
  return bits ? out + ALPHABET[(held << (5 - bits)) & 31] : out;
}

/**
 * The bytes of canonical base32 in upper case.
 * @param {string} text @param {string} error name of the error for anything else
 */
export function unbase32(text, error) {
  const out = [];
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    demand(value >= 0, error, `${JSON.stringify(letter)} is no base32 character`);
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out.push((held >> bits) & 255);
      held &= (1 << bits) - 1;
    }
  }
  demand(bits < 5 && held === 0, error, 'base32 with bits left over');
  return Uint8Array.from(out);
}

/** Luhn check character modulo 32 of 13 characters. @param {string} group */
function check(group) {
  let sum = 0;
  for (let i = 0; i < group.length; i++) {
    const factor = (group.length - i) % 2 === 1 ? 2 : 1; // from the right: 2, 1, 2, ...
    const product = factor * ALPHABET.indexOf(group[i]);
    sum += (product >> 5) + (product & 31);
  }
  return ALPHABET[(32 - (sum % 32)) % 32];
}

/** @param {number} suite @param {Uint8Array} publicKey @returns {Uint8Array} 32 bytes */
export const nodeId = (suite, publicKey) => sha256(concat(ascii('qrfld-1 node id'), u8(suite), publicKey));

/** For people: 56 characters in eight groups. @param {Uint8Array} id 32 bytes */
export function nodeText(id) {
  const plain = base32(id);
  const checked = [0, 13, 26, 39].map((at) => plain.slice(at, at + 13)).map((group) => group + check(group)).join('');
  return /** @type {string[]} */ (checked.match(/.{7}/g)).join('-');
}

/** @param {string} text as people type it @returns {Uint8Array} @throws {QrfldError} `node-id` */
export function parseNodeText(text) {
  const fixes = new Map([['0', 'O'], ['1', 'I'], ['8', 'B']]);
  const letters = text.replace(/[\s-]/g, '').toUpperCase().replace(/[018]/g, (digit) => fixes.get(digit) ?? digit);
  demand(letters.length === 56, 'node-id', 'a node ID has 56 characters');
  let plain = '';
  for (let at = 0; at < 56; at += 14) {
    const group = letters.slice(at, at + 13);
    demand([...group].every((letter) => ALPHABET.includes(letter)), 'node-id', 'a character of no node ID');
    demand(check(group) === letters[at + 13], 'node-id', 'a check character is wrong: mistyped');
    plain += group;
  }
  return unbase32(plain, 'node-id');
}

/** A node's signing key pair. */
export class Identity {
  /** @param {import('./suites.js').Suite} suite @param {Uint8Array} seed 32 bytes: FIPS 204's xi */
  constructor(suite, seed) {
    const pair = suite.dsa.keygen(seed);
    this.suite = suite;
    this.seed = seed;
    this.publicKey = pair.publicKey;
    this.id = nodeId(suite.id, pair.publicKey);
    this.secretKey = pair.secretKey;
  }

  /** @param {number} suite */
  static make(suite) {
    return new Identity(suiteOf(suite), randomBytes(32));
  }

  /** Hedged ML-DSA. @param {Uint8Array} data @param {string} context */
  sign(data, context) {
    return this.suite.dsa.sign(data, this.secretKey, { context: ascii(context) });
  }
}
