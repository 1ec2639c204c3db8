// Section 5, the initiator's side. No sockets: bytes in, bytes out.
import { randomBytes } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { ascii, concat, copy, same, u16, u8, view } from './bytes.js';
import { demand, QrfldError } from './errors.js';
import { nodeId } from './identity.js';
import { Opener, recordKey, Sealer } from './records.js';
import {
  AEAD_ORDER, AEAD_TAG, derive, exchangeKeys, expandLabel, extractSecret, mac, NO_CONTEXT, open, seal, sharedSecrets, transcript, verifies,
} from './suites.js';

const MAGIC = ascii('QRFL');
const VERSION = 1;
const RETRY_HEAD = 4;
const COOKIE = 40;
const NO_EXTENSIONS = 0x80;
const FAILED = 'handshake-failed';

/**
 * What a handshake leaves behind, a full one or a resumed one.
 * @typedef {object} Secrets
 * @property {import('./suites.js').Suite} suite
 * @property {number} aead
 * @property {Uint8Array} peer node ID
 * @property {Uint8Array} initiator chain of the control connection
 * @property {Uint8Array} responder chain of the control connection
 * @property {Uint8Array} sessionId
 * @property {Uint8Array} bulk
 * @property {Uint8Array} exporter
 * @property {{id: Uint8Array, secret: Uint8Array}} ticket this side's, to dial with once
 */

/**
 * Section 5.6 from `master` on, for the initiator.
 * @param {import('./suites.js').Suite} suite @param {number} aead @param {Uint8Array} peer @param {Uint8Array} master
 * @returns {Secrets}
 */
export function secretsOf(suite, aead, peer, master) {
  return {
    suite,
    aead,
    peer,
    initiator: derive(suite, master, 'traffic initiator'),
    responder: derive(suite, master, 'traffic responder'),
    sessionId: expandLabel(suite, master, 'session id', NO_CONTEXT, 16),
    bulk: derive(suite, master, 'bulk'),
    exporter: derive(suite, master, 'exporter'),
    ticket: {
      id: expandLabel(suite, master, 'ticket initiator', NO_CONTEXT, 16),
      secret: derive(suite, master, 'ticket secret initiator'),
    },
  };
}

/**
 * Both directions of the control connection, for the initiator. The chains move into them.
 * @param {Secrets} secrets
 */
export const controlOf = ({ suite, aead, initiator, responder }) => ({
  sealer: new Sealer(suite, aead, initiator, 'control'),
  opener: new Opener(suite, aead, responder, 'control'),
});

/** export(L, n) of section 5.6. @param {Secrets} secrets @param {Uint8Array} label @param {number} n */
export const exported = (secrets, label, n) => expandLabel(secrets.suite, secrets.exporter, 'exporter', label, n);

/** mac1 over everything before it. @param {Uint8Array} federation @param {Uint8Array} responder @param {Uint8Array} m1 */
const mac1 = (federation, responder, m1) =>
  mac(sha256(concat(ascii('qrfld-1 mac1'), federation, responder)), m1).subarray(0, 16);

/**
 * @typedef {object} Chances what a test with vectors fixes; otherwise random
 * @property {Uint8Array} random 32
 * @property {Uint8Array} kemSeed 64
 * @property {Uint8Array} scalar 32
 * @property {number[]} [aeads]
 */

/** @returns {Chances} */
const chance = () => ({ random: randomBytes(32), kemSeed: randomBytes(64), scalar: randomBytes(32) });

/** One handshake: `m1`, then `needs()` bytes at a time to `receive()`, until `secrets` is there. */
export class Initiator {
  /**
   * @param {import('./identity.js').Identity} identity
   * @param {Uint8Array} federation
   * @param {Uint8Array} responder node ID to dial
   * @param {Chances} [chances]
   */
  constructor(identity, federation, responder, chances = chance()) {
    demand(!same(identity.id, responder), FAILED, 'a node does not dial itself');
    const { suite } = identity;
    this.identity = identity;
    this.suite = suite;
    this.federation = federation;
    this.responder = responder;
    this.keys = exchangeKeys(suite, chances.kemSeed, chances.scalar);
    this.offers = (chances.aeads ?? AEAD_ORDER).map((aead) => (aead << 8) | suite.id);
    this.core = concat(
      MAGIC, u8(VERSION), new Uint8Array(3), u8(this.offers.length), ...this.offers.map(u16),
      chances.random, this.keys.kemPublic, this.keys.x25519Public,
    );
    this.retried = false;
    /** @type {Secrets | undefined} */
    this.secrets = undefined;
    /** @type {ReturnType<typeof controlOf> | undefined} */
    this.control = undefined;
    this.m1 = this.#m1(NO_CONTEXT);
    this.first = this.m1;
    this.buffer = new Uint8Array(0);
  }

  /** @param {Uint8Array} cookie */
  #m1(cookie) {
    const body = concat(this.core, u16(cookie.length), cookie);
    return concat(body, mac1(this.federation, this.responder, body));
  }

  get #payloadBytes() {
    return 1 + this.suite.publicKeyBytes + this.suite.signatureBytes + 1;
  }

  /** How many bytes it takes next: each length follows from bytes that came. */
  needs() {
    if (this.buffer.length === 0) return 2;
    const first = view(this.buffer).getUint16(0);
    if (first === 0) return this.buffer.length < RETRY_HEAD ? 2 : COOKIE;
    return 66 + this.suite.ciphertextBytes + this.#payloadBytes + AEAD_TAG - 2;
  }

  /**
   * Takes exactly `needs()` bytes.
   * @param {Uint8Array} bytes
   * @returns {Uint8Array | null} bytes to send: M1 with a cookie, or M3 when the session is established
   * @throws {QrfldError} `handshake-failed`: send nothing more and close
   */
  receive(bytes) {
    demand(bytes.length === this.needs(), FAILED, 'not as many bytes as needed');
    this.buffer = concat(this.buffer, bytes);
    const first = view(this.buffer).getUint16(0);
    if (first === 0) return this.#onRetry();
    demand(this.offers.includes(first), FAILED, 'a wire suite that was not offered');
    return this.buffer.length === 2 ? null : this.#onM2(first);
  }

  #onRetry() {
    demand(!this.retried, FAILED, 'a second RETRY');
    if (this.buffer.length < RETRY_HEAD) return null;
    demand(view(this.buffer).getUint16(2) === COOKIE, FAILED, 'a cookie of another length');
    if (this.buffer.length === RETRY_HEAD) return null;
    this.m1 = this.#m1(copy(this.buffer.subarray(RETRY_HEAD)));
    this.retried = true;
    this.buffer = new Uint8Array(0);
    return this.m1;
  }

  /** @param {number} wire */
  #onM2(wire) {
    const { suite, federation, m1, buffer: m2 } = this;
    const aead = wire >> 8;
    const size = suite.ciphertextBytes;
    const header = m2.subarray(0, 66 + size);
    const material = sharedSecrets(suite, this.keys, m2.subarray(34, 34 + size), m2.subarray(34 + size, 66 + size));
    const th1 = transcript(suite, federation, m1, header);
    const secret = extractSecret(suite, new Uint8Array(suite.hashBytes), material);
    const handshake = (/** @type {string} */ side) =>
      recordKey(suite, expandLabel(suite, secret, `handshake ${side}`, th1, suite.hashBytes));

    const theirs = this.#open(aead, handshake('responder'), th1, m2.subarray(header.length));
    this.#check(theirs, th1);
    const th2 = transcript(suite, federation, m1, header, theirs);
    const signature = this.identity.sign(concat(th2, this.identity.id), 'qrfld-1 initiator');
    const ours = concat(u8(suite.id), this.identity.publicKey, signature, u8(NO_EXTENSIONS));
    const { key, iv } = handshake('initiator');
    const m3 = seal(aead, key, iv, th2, ours);
    const th3 = transcript(suite, federation, m1, header, theirs, ours);
    const master = expandLabel(suite, secret, 'master', th3, suite.hashBytes);
    this.secrets = secretsOf(suite, aead, this.responder, master);
    this.control = controlOf(this.secrets);
    this.#forget(secret, master, material);
    return m3;
  }

  /** @param {number} aead @param {{key: Uint8Array, iv: Uint8Array}} keys @param {Uint8Array} th1 @param {Uint8Array} sealed */
  #open(aead, { key, iv }, th1, sealed) {
    try {
      return open(aead, key, iv, th1, sealed);
    } catch {
      throw new QrfldError(FAILED, 'the payload of the responder does not authenticate');
    }
  }

  /** The responder is the node that was dialled, and signed this transcript. @param {Uint8Array} payload @param {Uint8Array} th1 */
  #check(payload, th1) {
    const { suite } = this;
    const publicKey = payload.subarray(1, 1 + suite.publicKeyBytes);
    const signature = payload.subarray(1 + suite.publicKeyBytes, payload.length - 1);
    demand(payload[0] === suite.id, FAILED, 'the responder is of another suite');
    demand(payload[payload.length - 1] === NO_EXTENSIONS, FAILED, 'extensions that are not known');
    const id = nodeId(suite.id, publicKey);
    demand(!same(id, this.identity.id), FAILED, 'a reflection');
    demand(same(id, this.responder), FAILED, 'another node answers');
    demand(verifies(suite, signature, concat(th1, id), publicKey, 'qrfld-1 responder'), FAILED, 'the signature is wrong');
  }

  /** Overwrites what section 5.1 says to forget; a best effort in a language without control of memory. @param {...Uint8Array} secrets */
  #forget(...secrets) {
    for (const secret of [...secrets, this.keys.kemSecret, this.keys.x25519Secret]) secret.fill(0);
  }
}
