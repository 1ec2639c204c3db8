// Section 9.2: one side of the streams of a bulk connection, as requester and as supplier.
import { blobHash } from './blobs.js';
import { concat, same } from './bytes.js';
import { CODES, codeName, demand, QrfldError } from './errors.js';
import { CHUNK, GET, RESET, STREAM_CREDIT } from './frames.js';

const MAX_STREAMS = 8;
const AHEAD = 8 << 20;
const SUPPLY_BYTES = 65536;
const STALLED_MS = 30_000;

/** What has come of one blob; a new session goes on where the last one ended. */
export class Download {
  /** @param {Uint8Array} hash @param {number} size as announced */
  constructor(hash, size) {
    this.hash = hash;
    this.size = size;
    /** @type {Uint8Array[]} */
    this.parts = [];
    this.received = 0;
  }

  /** @param {Uint8Array} data */
  add(data) {
    this.parts.push(data);
    this.received += data.length;
  }

  /** @returns {Uint8Array} the blob @throws {QrfldError} `bad-blob` if its bytes are not those of its name */
  blob() {
    const blob = concat(...this.parts);
    this.parts = [];
    this.received = 0;
    demand(blob.length === this.size && same(blobHash(blob), this.hash), 'bad-blob', 'a blob that is not what its hash says');
    return blob;
  }
}

/**
 * @typedef {object} Requested
 * @property {Download} download
 * @property {number} next offset of the next CHUNK
 * @property {number} limit
 * @property {boolean} cancelled
 * @property {number} at monotonic time of the last CHUNK
 * @property {() => void} done
 * @property {(error: Error) => void} fail
 */

/** A limit that may be beyond every blob, as a number. @param {number | bigint} limit */
const within = (limit) => (typeof limit === 'bigint' ? Number.MAX_SAFE_INTEGER : limit);

/** All streams of one bulk connection. */
export class Streams {
  /**
   * @param {import('./connection.js').Connection} connection
   * @param {(hash: Uint8Array) => Uint8Array | null} supply the blobs that this peer may have
   * @param {boolean} [initiator] whether this side is the session's: it asks on odd streams
   */
  constructor(connection, supply, initiator = true) {
    this.connection = connection;
    this.supply = supply;
    this.parity = initiator ? 1 : 0;
    this.nextStream = initiator ? 1 : 2;
    this.highest = 0;
    /** @type {Map<number, Requested>} */
    this.requested = new Map();
    /** @type {Map<number, { blob: Uint8Array, next: number, limit: number }>} */
    this.supplied = new Map();
    this.pumping = false;
  }

  /**
   * Fetches what a download lacks.
   * @param {Download} download
   * @returns {Promise<Uint8Array>} the blob, its hash checked
   * @throws {QrfldError} `bad-blob`, the name of the supplier's RESET, or what ended the session
   */
  async fetch(download) {
    demand(this.requested.size < MAX_STREAMS, 'too-many-streams', 'too many fetches at once');
    const stream = this.nextStream;
    this.nextStream += 2;
    const limit = Math.min(download.size, download.received + AHEAD);
    await new Promise((resolve, reject) => {
      this.requested.set(stream, {
        download, next: download.received, limit, cancelled: false, at: performance.now(), done: () => resolve(undefined), fail: reject,
      });
      this.connection.send({ type: GET, stream, blob: download.hash, offset: download.received, limit });
    });
    return download.blob();
  }

  /** Gives up streams on which nothing comes. */
  cancelStalled() {
    for (const [stream, { at }] of this.requested) {
      if (performance.now() - at > STALLED_MS) this.cancel(stream);
    }
  }

  /** Gives up a fetch; what has come of it is kept. @param {number} stream */
  cancel(stream) {
    const request = this.requested.get(stream);
    if (request && !request.cancelled) this.#cancel(stream, request, new QrfldError('cancelled', 'the fetch was given up'));
  }

  /** The session is over. @param {Error} cause */
  end(cause) {
    for (const { fail } of this.requested.values()) fail(cause);
    this.requested.clear();
    this.supplied.clear();
  }

  /** @param {import('./frames.js').Frame} frame of types 0x10 to 0x13 */
  receive(frame) {
    switch (frame.type) {
      case CHUNK: return this.#onChunk(frame);
      case GET: return this.#onGet(frame);
      case STREAM_CREDIT: return this.#onCredit(frame);
      case RESET: return frame.stream !== 0 && this.#isOurs(frame.stream) ? this.#onTheirReset(frame) : this.#onCancel(frame);
      default: throw new QrfldError('unexpected-frame', `a frame of type ${frame.type}`);
    }
  }

  /** Whether this side is the requester. @param {number} stream */
  #isOurs(stream) {
    return stream % 2 === this.parity;
  }

  /** @param {any} frame */
  #onChunk({ stream, offset, last, data }) {
    const request = this.requested.get(stream);
    demand(request, 'bad-stream', 'a CHUNK for a stream that is not open');
    demand(offset === request.next, 'bad-stream', 'a CHUNK that leaves a gap');
    demand(offset + data.length <= request.limit, 'credit-exceeded', 'a CHUNK beyond the limit');
    request.next += data.length;
    request.at = performance.now();
    if (last) this.requested.delete(stream);
    if (request.cancelled) return;
    request.download.add(data);
    const { download } = request;
    if (last) request.done();
    else if (download.received === download.size) this.#cancel(stream, request, new QrfldError('bad-blob', 'a blob that is longer than announced'));
    else this.#grant(stream, request);
  }

  /** @param {number} stream @param {Requested} request */
  #grant(stream, request) {
    const limit = Math.min(request.download.size, request.next + AHEAD);
    if (limit - request.limit < AHEAD / 2 && limit !== request.download.size) return;
    if (limit === request.limit) return;
    request.limit = limit;
    this.connection.send({ type: STREAM_CREDIT, stream, limit });
  }

  /** @param {number} stream @param {Requested} request @param {QrfldError} why */
  #cancel(stream, request, why) {
    request.cancelled = true;
    this.connection.send({ type: RESET, stream, code: CODES.cancelled });
    if (why.code === 'bad-blob') Object.assign(request.download, { parts: [], received: 0 });
    request.fail(why);
  }

  /** @param {any} frame */
  #onTheirReset({ stream, code }) {
    demand(stream < this.nextStream, 'bad-stream', 'RESET for a stream that never was');
    const request = this.requested.get(stream);
    this.requested.delete(stream);
    if (request && !request.cancelled) request.fail(new QrfldError(codeName(code), 'the supplier ended the stream'));
  }

  /** @param {any} frame */
  #onGet({ stream, blob, offset, limit }) {
    demand(stream !== 0 && !this.#isOurs(stream) && stream > this.highest, 'bad-stream', 'a GET with a number that is not its turn');
    demand(this.supplied.size < MAX_STREAMS, 'too-many-streams', 'too many streams at once');
    this.highest = stream;
    const data = this.supply(blob);
    if (data === null || offset > data.length) {
      this.connection.send({ type: RESET, stream, code: CODES['not-found'] });
      return;
    }
    this.supplied.set(stream, { blob: data, next: offset, limit: within(limit) });
    this.#pump();
  }

  /** @param {any} frame */
  #onCredit({ stream, limit }) {
    demand(stream !== 0 && !this.#isOurs(stream) && stream <= this.highest, 'bad-stream', 'credit for a stream that never was');
    const supplied = this.supplied.get(stream);
    if (!supplied) return;
    demand(limit >= supplied.limit, 'credit-exceeded', 'a limit was lowered');
    supplied.limit = within(limit);
    this.#pump();
  }

  /** The requester does not want it any more. @param {any} frame */
  #onCancel({ stream }) {
    demand(stream !== 0 && stream <= this.highest, 'bad-stream', 'RESET for a stream that never was');
    if (this.supplied.delete(stream)) this.connection.send({ type: RESET, stream, code: CODES.cancelled });
  }

  /** Sends what the limits allow, one chunk of each stream in turn, as fast as the socket takes it. */
  async #pump() {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.#sendRound()) await this.connection.drained();
    } catch {
      // The connection has ended; whoever reads it reports why.
    } finally {
      this.pumping = false;
    }
  }

  /** @returns {boolean} whether anything was sent */
  #sendRound() {
    let sent = false;
    for (const [stream, supplied] of this.supplied) {
      const { blob, next, limit } = supplied;
      const end = Math.min(blob.length, limit, next + SUPPLY_BYTES);
      const last = end === blob.length;
      if (end === next && !last) continue;
      this.connection.send({ type: CHUNK, stream, offset: next, last, data: blob.subarray(next, end) });
      supplied.next = end;
      if (last) this.supplied.delete(stream);
      sent = true;
    }
    return sent;
  }
}
