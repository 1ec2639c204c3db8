// A socket whose other end is the test: what a peer would see of an open connection.
import { Duplex } from 'node:stream';
import { Connection } from '../../src/connection.js';
import { view } from '../../src/bytes.js';
import { Opener, Sealer } from '../../src/records.js';
import { suiteOf } from '../../src/suites.js';

/** What one side writes is kept, what the test pushes can be read. */
export class Wire extends Duplex {
  /** @type {Buffer[]} */
  written = [];

  _read() {}

  /** @param {Buffer} chunk @param {string} _encoding @param {() => void} done */
  _write(chunk, _encoding, done) {
    this.written.push(chunk);
    done();
  }
}

/** Lets everything that is ready happen. */
export const settled = () => new Promise((resolve) => setTimeout(resolve, 2));

/** An open connection of this client without a handshake, and its peer's keys. */
export class Open {
  /** @param {'control' | 'bulk'} kind @param {{ records: number, bytes: number }} [limits] */
  constructor(kind, limits) {
    const suite = suiteOf(1);
    const chain = (/** @type {number} */ byte) => new Uint8Array(48).fill(byte);
    this.wire = new Wire();
    this.sealer = new Sealer(suite, 2, chain(1), kind);
    this.opener = new Opener(suite, 2, chain(2), kind);
    this.connection = new Connection(
      /** @type {any} */ (this.wire), kind, { sealer: new Sealer(suite, 2, chain(2), kind), opener: new Opener(suite, 2, chain(1), kind) }, limits,
    );
  }

  /** The peer sends a frame. @param {Uint8Array} frame */
  feed(frame) {
    this.wire.push(this.sealer.seal(frame));
    if (frame[0] === 5) this.sealer.step();
  }

  /** The frames that this side has sent since the last call. @returns {Uint8Array[]} */
  sent() {
    const frames = [];
    let data = Buffer.concat(this.wire.written.splice(0));
    while (data.length) {
      const end = 4 + view(data).getUint32(0);
      const frame = this.opener.open(data.subarray(4, end));
      frames.push(frame);
      if (frame[0] === 5) this.opener.step();
      data = data.subarray(end);
    }
    return frames;
  }
}
