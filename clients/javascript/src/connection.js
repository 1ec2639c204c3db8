// Sections 6 to 8 on a socket: frames in, frames out. Reads never take more than what is due, writes
// wait for the socket, so a peer decides nothing about this process's memory.
import net from 'node:net';
import { once } from 'node:events';
import { demand, QrfldError, CODES, codeName } from './errors.js';
import { CLOSE, decodeFrame, encodeFrame, KEY_UPDATE, PING, PONG } from './frames.js';
import { KEY_LIMITS } from './records.js';

const CONNECT_MS = 10_000;
const REKEY_MS = 3_600_000;
/** How long a peer that was told CLOSE may take to read it. */
const LINGER_MS = 1_000;
/** Bytes that may wait for a slow peer before this side stops reading from it. */
const MAX_UNSENT = 1 << 20;

/** @param {{ host: string, port: number }} address @returns {Promise<net.Socket>} @throws if nobody answers in time */
export async function connect({ host, port }) {
  const socket = net.connect({ host, port, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_MS) });
    socket.on('error', () => socket.destroy()); // readers learn of it by the end of the stream
    return socket;
  } catch (error) {
    socket.destroy();
    throw new QrfldError('unreachable', `${host}:${port} does not answer: ${/** @type {any} */ (error).code ?? 'timeout'}`);
  }
}

/**
 * Takes exact numbers of bytes from a socket in paused mode. It listens once for the socket's life: a
 * listener for `readable` that comes while bytes are buffered is called at once, again and again, and
 * a peer that sends half a record would keep this process busy with nothing else.
 */
class Reader {
  /** @param {net.Socket} socket */
  constructor(socket) {
    this.socket = socket;
    /** @type {() => void} */
    this.wake = () => {};
    this.onChange = () => this.wake();
    for (const event of ['readable', 'end', 'close']) socket.on(event, this.onChange);
  }

  /** @param {number} n @returns {Promise<Uint8Array>} */
  async read(n) {
    const { socket } = this;
    for (;;) {
      demand(!socket.readableEnded && !socket.destroyed, 'truncated', 'TCP ended without a CLOSE');
      const bytes = socket.read(n);
      if (bytes !== null) {
        demand(bytes.length === n, 'truncated', 'TCP ended within a message');
        return bytes;
      }
      await new Promise((resolve) => {
        this.wake = () => resolve(undefined);
      });
    }
  }

  /** From now on what comes is thrown away. */
  drop() {
    this.socket.off('readable', this.onChange);
    this.socket.resume();
  }
}

/** @type {WeakMap<net.Socket, Reader>} */
const READERS = new WeakMap();

/** @param {net.Socket} socket @returns {Reader} */
function readerOf(socket) {
  const reader = READERS.get(socket) ?? new Reader(socket);
  READERS.set(socket, reader);
  return reader;
}

/**
 * Exactly n bytes.
 * @param {net.Socket} socket @param {number} n
 * @returns {Promise<Uint8Array>}
 * @throws {QrfldError} `truncated` if TCP ends before them
 */
export const readExactly = (socket, n) => readerOf(socket).read(n);

/** What ended a connection: the peer's CLOSE. */
export class ClosedByPeer extends QrfldError {
  /** @param {number} number @param {string} reason of the peer, a stranger's text */
  constructor(number, reason) {
    super(codeName(number), `the peer closed: ${JSON.stringify(reason)}`);
    this.number = number;
  }
}

/** One control or bulk connection after its handshake. */
export class Connection {
  /**
   * @param {net.Socket} socket
   * @param {'control' | 'bulk'} kind
   * @param {{ sealer: import('./records.js').Sealer, opener: import('./records.js').Opener }} directions
   * @param {{ records: number, bytes: number }} [limits] of one key; a test sets lower ones
   */
  constructor(socket, kind, { sealer, opener }, limits = KEY_LIMITS) {
    this.socket = socket;
    this.kind = kind;
    this.sealer = sealer;
    this.opener = opener;
    this.limits = limits;
    this.keyedAt = performance.now();
    this.heardAt = performance.now();
    this.closed = false;
    this.rekeyed = 0;
  }

  /** Seals a frame and hands it to the socket; frames leave in the order of these calls. @param {import('./frames.js').Frame} frame */
  send(frame) {
    if (this.closed) return;
    const bytes = encodeFrame(frame);
    const old = performance.now() - this.keyedAt > REKEY_MS;
    if (old || this.sealer.exhausted(bytes.length, this.limits)) this.#rekey();
    this.socket.write(this.sealer.seal(bytes));
  }

  #rekey() {
    this.socket.write(this.sealer.seal(encodeFrame({ type: KEY_UPDATE })));
    this.sealer.step();
    this.keyedAt = performance.now();
    this.rekeyed += 1;
  }

  /** Until the socket takes more. @throws {QrfldError} `truncated` if it ends first */
  async drained() {
    while (this.socket.writableNeedDrain && !this.socket.destroyed) {
      await new Promise((resolve) => {
        const done = () => {
          this.socket.off('drain', done);
          this.socket.off('close', done);
          resolve(undefined);
        };
        this.socket.on('drain', done);
        this.socket.on('close', done);
      });
    }
    demand(!this.socket.destroyed, 'truncated', 'TCP ended without a CLOSE');
  }

  /**
   * The next frame that concerns the caller: PING is answered and KEY_UPDATE obeyed on the way.
   * @returns {Promise<import('./frames.js').Frame>}
   * @throws {QrfldError} a broken rule by its name in section 10.3; {ClosedByPeer} the peer's CLOSE
   */
  async receive() {
    for (;;) {
      // A peer that asks and does not read the answers is not heard any further.
      if (this.socket.writableLength > MAX_UNSENT) await this.drained();
      const n = this.opener.length(await readExactly(this.socket, 4));
      const frame = decodeFrame(this.opener.open(await readExactly(this.socket, n)), this.kind);
      this.heardAt = performance.now();
      if (frame.type === KEY_UPDATE) this.opener.step();
      else if (frame.type === PING) this.send({ type: PONG, token: frame.token });
      else if (frame.type === CLOSE) throw new ClosedByPeer(frame.code, frame.reason);
      else return frame;
    }
  }

  /** Sends CLOSE unless the peer closed or nothing may be said, and ends the TCP connection. @param {unknown} cause */
  close(cause) {
    if (this.closed) return;
    const name = cause instanceof QrfldError ? cause.code : 'normal';
    const silent = cause instanceof ClosedByPeer || name === 'truncated' || name === 'handshake-failed';
    if (!silent && !this.socket.destroyed) {
      this.send({ type: CLOSE, code: CODES[/** @type {keyof typeof CODES} */ (name)] ?? CODES['shutting-down'], reason: cause instanceof Error ? cause.message : '' });
    }
    this.closed = true;
    this.socket.end();
    readerOf(this.socket).drop();
    setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }
}
