// Section 9.3: one session with one peer, dialled by this side: control connection, messages under
// credit, HELLO or JOIN, bulk connection, pings.
import { randomBytes } from 'node:crypto';
import { BulkJoin, B2_BYTES } from './bulk.js';
import { connect, Connection, readExactly } from './connection.js';
import { CreditToReceive, CreditToSend } from './credit.js';
import { demand, QrfldError } from './errors.js';
import { CREDIT, MESSAGE, PING, PONG } from './frames.js';
import { decodeMessage, encodeMessage } from './messages.js';
import { Streams } from './streams.js';

const HANDSHAKE_MS = 10_000;
const TICK_MS = 250;
const QUIET_MS = 1_000;
const SILENT_MS = 10_000;
/** Messages that may wait for the peer's credit; it asked for them. */
const MAX_WAITING = 256;
const CODE_BYTES = 2;

/** Runs a handshake on a socket; a failure or the time's end destroys it. @template T @param {import('node:net').Socket} socket @param {() => Promise<T>} steps @returns {Promise<T>} */
async function within(socket, steps) {
  const timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
  try {
    return await steps();
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Dials and drives a handshake, full or resumed.
 * @param {{ host: string, port: number }} address
 * @param {import('./handshake.js').Initiator | import('./resumption.js').Resumption} handshake
 * @param {SessionOptions} [options]
 * @returns {Promise<Session>} open: this side may send
 */
export async function dial(address, handshake, options) {
  const socket = await connect(address);
  return within(socket, async () => {
    socket.write(handshake.first);
    while (!handshake.secrets) {
      const answer = handshake.receive(await readExactly(socket, handshake.needs()));
      if (answer) socket.write(answer);
    }
    return new Session(address, socket, handshake, options);
  });
}

/**
 * @typedef {object} SessionOptions
 * @property {{ records: number, bytes: number }} [limits] of one key; a test sets lower ones
 */

/** An open session. `run` reads it to its end. */
export class Session {
  /**
   * @param {{ host: string, port: number }} address
   * @param {import('node:net').Socket} socket
   * @param {import('./handshake.js').Initiator | import('./resumption.js').Resumption} handshake that succeeded
   * @param {SessionOptions} [options]
   */
  constructor(address, socket, { secrets, control }, options = {}) {
    this.address = address;
    this.secrets = /** @type {import('./handshake.js').Secrets} */ (secrets);
    this.peer = this.secrets.peer;
    this.options = options;
    this.control = new Connection(socket, 'control', /** @type {any} */ (control), options.limits);
    /** @type {Connection | undefined} */
    this.bulk = undefined;
    /** @type {Streams | undefined} */
    this.streams = undefined;
    this.creditOut = new CreditToSend();
    this.creditIn = new CreditToReceive();
    /** @type {{ code: number, structure: Uint8Array }[]} */
    this.waiting = [];
    this.waitingSince = 0;
    /** @type {Error | undefined} */
    this.cause = undefined;
  }

  /** Queues a message; it leaves when the peer's credit allows. @param {string} name @param {any} fields */
  send(name, fields) {
    if (this.cause) return;
    if (this.waiting.length === 0) this.waitingSince = performance.now();
    this.waiting.push(encodeMessage(name, fields));
    this.#flush();
    if (this.waiting.length > MAX_WAITING) this.end(new QrfldError('rate-limited', 'answers that the peer does not take'));
  }

  #flush() {
    while (this.waiting.length && this.creditOut.take(CODE_BYTES + this.waiting[0].structure.length)) {
      this.control.send({ type: MESSAGE, .../** @type {{ code: number, structure: Uint8Array }} */ (this.waiting.shift()) });
      this.waitingSince = performance.now();
    }
  }

  /**
   * Reads messages until the session ends, one after the other.
   * @param {(name: string, fields: any) => void | Promise<void>} handle must return soon; what it throws ends the session
   * @returns {Promise<never>} always throws what ended the session
   */
  async run(handle) {
    const timer = setInterval(() => this.#tick(), TICK_MS);
    try {
      for (;;) await this.#onFrame(await this.control.receive(), handle);
    } catch (error) {
      this.end(/** @type {Error} */ (error));
      throw this.cause;
    } finally {
      clearInterval(timer);
    }
  }

  /** @param {import('./frames.js').Frame} frame @param {(name: string, fields: any) => void | Promise<void>} handle */
  async #onFrame(frame, handle) {
    if (frame.type === CREDIT) {
      this.creditOut.grant(frame.limit);
      this.#flush();
    } else if (frame.type === MESSAGE) {
      const bytes = CODE_BYTES + frame.structure.length;
      this.creditIn.arrived(bytes);
      const message = decodeMessage(frame.code, frame.structure);
      if (message) await handle(message.name, message.fields);
      const limit = this.creditIn.consume(bytes);
      if (limit !== null) this.control.send({ type: CREDIT, limit });
    } else demand(frame.type === PONG, 'unexpected-frame', `a frame of type ${frame.type}`);
  }

  #tick() {
    const quiet = performance.now() - this.control.heardAt;
    if (quiet > SILENT_MS) this.end(new QrfldError('truncated', 'the peer is silent'));
    else if (quiet > QUIET_MS) this.control.send({ type: PING, token: randomBytes(8) });
    if (this.waiting.length && performance.now() - this.waitingSince > SILENT_MS) this.end(new QrfldError('rate-limited', 'the peer gives no credit'));
    this.streams?.cancelStalled();
  }

  /**
   * Section 7: joins the bulk connection, which then reads itself.
   * @param {(hash: Uint8Array) => Uint8Array | null} supply the blobs that this peer may have
   */
  async openBulk(supply) {
    const socket = await connect(this.address);
    const joined = await within(socket, async () => {
      const join = new BulkJoin(this.secrets);
      socket.write(join.b1);
      const result = join.receive(await readExactly(socket, B2_BYTES));
      socket.write(result.b3);
      return result;
    });
    this.bulk = new Connection(socket, 'bulk', joined, this.options.limits);
    this.streams = new Streams(this.bulk, supply);
    if (this.cause) this.bulk.close(this.cause); // it ended meanwhile
    else void this.#readBulk(this.bulk, this.streams);
  }

  /** @param {Connection} bulk @param {Streams} streams */
  async #readBulk(bulk, streams) {
    try {
      for (;;) {
        const frame = await bulk.receive();
        if (frame.type !== PONG) streams.receive(frame);
      }
    } catch (error) {
      this.end(/** @type {Error} */ (error), bulk);
    }
  }

  /**
   * Ends both connections. The one on which a rule was broken hears it by name.
   * @param {Error} cause @param {Connection} [where] the connection that it concerns; the control one if not said
   */
  end(cause, where = this.control) {
    if (this.cause) return;
    this.cause = cause;
    this.streams?.end(cause);
    for (const connection of [this.control, this.bulk]) {
      connection?.close(connection === where ? cause : new QrfldError('normal', ''));
    }
    if (where !== this.control) this.control.socket.destroySoon();
  }
}
