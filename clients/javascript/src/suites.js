// Section 3: suites, record ciphers, key derivation.
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';
import { ml_kem768, ml_kem1024 } from '@noble/post-quantum/ml-kem.js';
import { ascii, concat, u16, u64, u8 } from './bytes.js';
import { demand, QrfldError } from './errors.js';

/**
 * @typedef {object} Suite
 * @property {number} id
 * @property {typeof ml_kem768} kem
 * @property {typeof ml_dsa65} dsa
 * @property {typeof sha384} hash
 * @property {number} hashBytes Hlen
 * @property {number} kemKeyBytes
 * @property {number} ciphertextBytes
 * @property {number} publicKeyBytes of the signature
 * @property {number} signatureBytes
 */

/** @type {Map<number, Suite>} */
export const SUITES = new Map([
  [1, { id: 1, kem: ml_kem768, dsa: ml_dsa65, hash: sha384, hashBytes: 48, kemKeyBytes: 1184, ciphertextBytes: 1088, publicKeyBytes: 1952, signatureBytes: 3309 }],
  [2, { id: 2, kem: ml_kem1024, dsa: ml_dsa87, hash: sha512, hashBytes: 64, kemKeyBytes: 1568, ciphertextBytes: 1568, publicKeyBytes: 2592, signatureBytes: 4627 }],
]);

/** @param {number} id @returns {Suite} */
export function suiteOf(id) {
  const suite = SUITES.get(id);
  demand(suite, 'suite', `suite ${id} is not known`);
  return suite;
}

const AEADS = new Map([
  [1, gcm],
  [2, chacha20poly1305],
]);
export const AEAD_TAG = 16;

/** The AEADs in this client's order: in JavaScript ChaCha20 is the faster, and has no tables to leak. */
export const AEAD_ORDER = Object.freeze([2, 1]);

/** @param {number} aead @param {Uint8Array} key @param {Uint8Array} nonce @param {Uint8Array} aad @param {Uint8Array} data */
export const seal = (aead, key, nonce, aad, data) => cipher(aead, key, nonce, aad).encrypt(data);

/** @param {number} aead @param {Uint8Array} key @param {Uint8Array} nonce @param {Uint8Array} aad @param {Uint8Array} data @throws if it does not authenticate */
export const open = (aead, key, nonce, aad, data) => cipher(aead, key, nonce, aad).decrypt(data);

/** @param {number} aead @param {Uint8Array} key @param {Uint8Array} nonce @param {Uint8Array} aad */
function cipher(aead, key, nonce, aad) {
  const make = AEADS.get(aead);
  demand(make, 'suite', `AEAD ${aead} is not known`);
  return make(key, nonce, aad);
}

/** @param {Suite} suite @param {Uint8Array} salt @param {Uint8Array} material */
export const extractSecret = (suite, salt, material) => extract(suite.hash, material, salt);

/**
 * Section 3.2.
 * @param {Suite} suite @param {Uint8Array} secret @param {string} label @param {Uint8Array} context @param {number} n bytes
 */
export function expandLabel(suite, secret, label, context, n) {
  const name = ascii(label);
  const info = concat(u16(n), u8(name.length), name, u8(context.length), context);
  return expand(suite.hash, secret, info, n);
}

/** The empty context of section 3.2. */
export const NO_CONTEXT = new Uint8Array(0);

/** A secret of Hlen bytes without context. @param {Suite} suite @param {Uint8Array} secret @param {string} label */
export const derive = (suite, secret, label) => expandLabel(suite, secret, label, NO_CONTEXT, suite.hashBytes);

/** @param {Suite} suite @param {...Uint8Array} parts */
export const transcript = (suite, ...parts) => suite.hash(concat(...parts.flatMap((part) => [u64(part.length), part])));

/** HMAC-SHA-256, whatever the suite. @param {Uint8Array} key @param {Uint8Array} data */
export const mac = (key, data) => hmac(sha256, key, data);

/** Keys of one exchange: an ML-KEM and an X25519 pair, from these seeds. @param {Suite} suite @param {Uint8Array} kemSeed 64 bytes @param {Uint8Array} scalar 32 bytes */
export function exchangeKeys(suite, kemSeed, scalar) {
  const pair = suite.kem.keygen(kemSeed);
  return { kemPublic: pair.publicKey, kemSecret: pair.secretKey, x25519Public: x25519.getPublicKey(scalar), x25519Secret: scalar };
}

/**
 * The two shared secrets, ML-KEM's first.
 * @param {Suite} suite @param {{kemSecret: Uint8Array, x25519Secret: Uint8Array}} keys
 * @param {Uint8Array} ciphertext @param {Uint8Array} peer X25519 public key
 * @throws {QrfldError} `handshake-failed` if X25519 gives zeros
 */
export function sharedSecrets(suite, keys, ciphertext, peer) {
  demand(ciphertext.length === suite.ciphertextBytes, 'handshake-failed', 'a KEM ciphertext of another size');
  return concat(suite.kem.decapsulate(ciphertext, keys.kemSecret), x25519Shared(keys.x25519Secret, peer));
}

/** @param {Uint8Array} secret @param {Uint8Array} peer @returns {Uint8Array} */
export function x25519Shared(secret, peer) {
  try {
    return x25519.getSharedSecret(secret, peer); // the library refuses an all-zero result
  } catch {
    throw new QrfldError('handshake-failed', 'X25519 gave no usable secret');
  }
}

/** @param {Suite} suite @param {Uint8Array} signature @param {Uint8Array} data @param {Uint8Array} publicKey @param {string} context */
export function verifies(suite, signature, data, publicKey, context) {
  if (signature.length !== suite.signatureBytes || publicKey.length !== suite.publicKeyBytes) return false;
  return suite.dsa.verify(signature, data, publicKey, { context: ascii(context) });
}
