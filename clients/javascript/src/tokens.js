// Section 14: what a person gives a new node.
import { sha256 } from '@noble/hashes/sha2.js';
import { parseAddress } from './addresses.js';
import { ascii, concat, same, u16, view } from './bytes.js';
import { demand, QrfldError } from './errors.js';
import { base32, unbase32 } from './identity.js';
import { array, bytes, HASH, NODE, structure, text, U63, U8 } from './structures.js';
import { SUITES } from './suites.js';

const PREFIX = 'qrfl1-';
const MAX_TEXT = 1024;
const CHECKSUM = 4;

const TOKEN = structure({
  version: [0, U8],
  federation: [2, HASH],
  suiteId: [4, U8],
  issuer: [6, NODE],
  tokenId: [8, bytes(16)],
  secret: [10, bytes(32)],
  expiresAt: [12, U63],
  addresses: [14, array(text(3, 255), 0, 4)],
});

/** @param {Uint8Array} body length and structure */
const checksum = (body) => sha256(concat(ascii('qrfld-1 token checksum'), body)).subarray(0, CHECKSUM);

/** @param {any} token @returns {string} */
export function formatToken(token) {
  const data = TOKEN.encode(token);
  const body = concat(u16(data.length), data);
  return PREFIX + base32(concat(body, checksum(body))).toLowerCase();
}

/**
 * @param {string} line as a person pasted it
 * @returns {any} the token's fields
 * @throws {import('./errors.js').QrfldError} `token`; its message never holds the token
 */
export function parseToken(line) {
  const plain = line.replace(/\s/g, '').toLowerCase();
  demand(plain.startsWith(PREFIX), 'token', `a token begins with ${PREFIX}`);
  demand(plain.length <= MAX_TEXT, 'token', 'the token is too long');
  const data = unbase32(plain.slice(PREFIX.length).toUpperCase(), 'token');
  demand(data.length > 2 + CHECKSUM, 'token', 'the token is cut short');
  const body = data.subarray(0, data.length - CHECKSUM);
  demand(view(body).getUint16(0) === body.length - 2, 'token', 'the token has another length than it says');
  demand(same(checksum(body), data.subarray(body.length)), 'token', 'the checksum of the token is wrong: mistyped');
  return readToken(body.subarray(2));
}

/** @param {Uint8Array} data @returns {any} */
function readToken(data) {
  let token;
  try {
    token = TOKEN.decode(data, MAX_TEXT);
    token.addresses.forEach(parseAddress);
  } catch (error) {
    throw new QrfldError('token', /** @type {Error} */ (error).message);
  }
  demand(token.version === 1, 'token', `a token of version ${token.version}`);
  demand(SUITES.has(token.suiteId), 'token', `a token of suite ${token.suiteId}`);
  return token;
}
