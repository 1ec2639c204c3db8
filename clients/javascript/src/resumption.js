// Section 5.7, the initiator's side: a session from a ticket, with fresh keys and no signatures.
import { randomBytes } from 'node:crypto';
import { ascii, concat, sameSecret, u8 } from './bytes.js';
import { demand } from './errors.js';
import { encodeFrame, RESUME_CONFIRM } from './frames.js';
import { controlOf, secretsOf } from './handshake.js';
import { derive, exchangeKeys, expandLabel, extractSecret, mac, sharedSecrets, transcript } from './suites.js';

const FAILED = 'handshake-failed';
/** A ticket ends this long after the last full handshake. */
export const TICKET_MS = 86_400_000;

/**
 * A ticket with what it takes to use it.
 * @typedef {object} Ticket
 * @property {import('./suites.js').Suite} suite
 * @property {number} aead
 * @property {Uint8Array} id 16
 * @property {Uint8Array} secret Hlen
 * @property {{ host: string, port: number }} address where the session was
 * @property {number} fullAt monotonic time of the last full handshake, in milliseconds
 */

/** One resumption, driven like `Initiator`. */
export class Resumption {
  /**
   * @param {Uint8Array} node this node's ID
   * @param {Uint8Array} federation
   * @param {Uint8Array} responder node ID
   * @param {Ticket} ticket is used up
   * @param {import('./handshake.js').Chances} [chances]
   */
  constructor(node, federation, responder, ticket, chances = { random: randomBytes(32), kemSeed: randomBytes(64), scalar: randomBytes(32) }) {
    const { suite } = ticket;
    this.parties = [federation, node, responder];
    this.responder = responder;
    this.ticket = ticket;
    this.keys = exchangeKeys(suite, chances.kemSeed, chances.scalar);
    const body = concat(ascii('QRFS'), u8(1), ticket.id, chances.random, this.keys.kemPublic, this.keys.x25519Public);
    this.first = concat(body, mac(derive(suite, ticket.secret, 'resume mac'), body));
    /** @type {import('./handshake.js').Secrets | undefined} */
    this.secrets = undefined;
    /** @type {ReturnType<typeof controlOf> | undefined} */
    this.control = undefined;
  }

  /** How many bytes S2 has. */
  needs() {
    return 96 + this.ticket.suite.ciphertextBytes;
  }

  /** @param {Uint8Array} s2 @returns {Uint8Array} S3 @throws {import('./errors.js').QrfldError} `handshake-failed` */
  receive(s2) {
    const { suite, aead, secret: psk } = this.ticket;
    demand(s2.length === this.needs(), FAILED, 'not as many bytes as needed');
    const size = suite.ciphertextBytes;
    const body = s2.subarray(0, 64 + size);
    const material = sharedSecrets(suite, this.keys, body.subarray(32, 32 + size), body.subarray(32 + size));
    const th = transcript(suite, ...this.parties, this.first, body);
    const secret = extractSecret(suite, psk, material);
    const confirmation = expandLabel(suite, secret, 'resume confirm', th, 32);
    demand(sameSecret(confirmation, s2.subarray(body.length)), FAILED, 'a wrong confirmation');
    const master = expandLabel(suite, secret, 'resume master', th, suite.hashBytes);
    this.secrets = secretsOf(suite, aead, this.responder, master);
    this.control = controlOf(this.secrets);
    for (const used of [secret, master, material, psk, this.keys.kemSecret, this.keys.x25519Secret]) used.fill(0);
    return this.control.sealer.seal(encodeFrame({ type: RESUME_CONFIRM }));
  }
}
