// Section 7, the initiator's side: joining the second connection to a session.
import { randomBytes } from 'node:crypto';
import { ascii, concat, sameSecret, u8 } from './bytes.js';
import { demand } from './errors.js';
import { BULK_CONFIRM, encodeFrame } from './frames.js';
import { Opener, Sealer } from './records.js';
import { derive, expandLabel, mac, transcript } from './suites.js';

export const B2_BYTES = 64;

export class BulkJoin {
  /** @param {import('./handshake.js').Secrets} secrets whose `bulk` is overwritten when joined @param {Uint8Array} [random] */
  constructor(secrets, random = randomBytes(32)) {
    this.secrets = secrets;
    const body = concat(ascii('QRFB'), u8(1), secrets.sessionId, random);
    this.b1 = concat(body, this.#mac('initiator', body));
  }

  /** @param {'initiator' | 'responder'} side @param {Uint8Array} data */
  #mac(side, data) {
    return mac(derive(this.secrets.suite, this.secrets.bulk, `bulk mac ${side}`), data);
  }

  /**
   * @param {Uint8Array} b2 64 bytes
   * @returns {{ b3: Uint8Array, sealer: Sealer, opener: Opener }} B3 is to be sent; the connection is joined
   * @throws {import('./errors.js').QrfldError} `handshake-failed`
   */
  receive(b2) {
    const { suite, aead, bulk } = this.secrets;
    const good = b2.length === B2_BYTES && sameSecret(b2.subarray(32), this.#mac('responder', concat(this.b1, b2.subarray(0, 32))));
    demand(good, 'handshake-failed', 'the responder of the bulk connection is not the session\'s');
    const bth = transcript(suite, this.b1, b2);
    const chain = (/** @type {string} */ side) => expandLabel(suite, bulk, `bulk ${side}`, bth, suite.hashBytes);
    const sealer = new Sealer(suite, aead, chain('initiator'), 'bulk');
    const opener = new Opener(suite, aead, chain('responder'), 'bulk');
    bulk.fill(0);
    return { b3: sealer.seal(encodeFrame({ type: BULK_CONFIRM })), sealer, opener };
  }
}
