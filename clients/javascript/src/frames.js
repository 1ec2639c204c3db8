// Section 8: the content of a record.
import { concat, copy, fromUtf8, u16, u32, u64, u8, view } from './bytes.js';
import { demand, QrfldError } from './errors.js';

export const MESSAGE = 0x01;
export const PING = 0x02;
export const PONG = 0x03;
export const CLOSE = 0x04;
export const KEY_UPDATE = 0x05;
export const CREDIT = 0x06;
export const BULK_CONFIRM = 0x07;
export const RESUME_CONFIRM = 0x08;
export const GET = 0x10;
export const CHUNK = 0x11;
export const STREAM_CREDIT = 0x12;
export const RESET = 0x13;

export const MAX_CHUNK = 1048576;
export const MAX_REASON = 255;
const MAX_MESSAGE = 65538;
const LAST = 1;

/** @typedef {{ type: number, [field: string]: any }} Frame */

/** Reads the fields of one body. Offsets and limits are numbers, bigints where a number is not exact. */
class Body {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = view(bytes);
  }

  /** @param {number} low @param {number} [high] */
  size(low, high = low) {
    demand(this.bytes.length >= low && this.bytes.length <= high, 'bad-frame', 'a body of another size');
  }

  /** @param {number} at */
  offset(at) {
    const value = this.view.getBigUint64(at);
    demand(value < 1n << 63n, 'bad-frame', 'an offset or limit of 2^63 or more');
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? value : Number(value);
  }
}

/** @type {Map<number, { on: string, read(body: Body): object, write(frame: any): Uint8Array }>} */
const LAYOUTS = new Map([
  [MESSAGE, {
    on: 'control',
    read(body) {
      body.size(3, MAX_MESSAGE);
      return { code: body.view.getUint16(0), structure: copy(body.bytes.subarray(2)) };
    },
    write: ({ code, structure }) => concat(u16(code), structure),
  }],
  ...[PING, PONG].map((type) => /** @type {[number, any]} */ ([type, {
    on: 'both',
    read(/** @type {Body} */ body) {
      body.size(8);
      return { token: copy(body.bytes) };
    },
    write: (/** @type {Frame} */ { token }) => token,
  }])),
  [CLOSE, { on: 'both', read: readClose, write: ({ code, reason }) => concat(u16(code), shortened(reason)) }],
  [KEY_UPDATE, { on: 'both', ...empty() }],
  [CREDIT, {
    on: 'control',
    read(body) {
      body.size(8);
      return { limit: body.offset(0) };
    },
    write: ({ limit }) => u64(limit),
  }],
  [BULK_CONFIRM, { on: 'handshake', ...empty() }],
  [RESUME_CONFIRM, { on: 'handshake', ...empty() }],
  [GET, { on: 'bulk', read: readGet, write: ({ stream, blob, offset, limit }) => concat(u32(stream), blob, u64(offset), u64(limit)) }],
  [CHUNK, { on: 'bulk', read: readChunk, write: ({ stream, offset, last, data }) => concat(u32(stream), u64(offset), u8(last ? LAST : 0), data) }],
  [STREAM_CREDIT, {
    on: 'bulk',
    read(body) {
      body.size(12);
      return { stream: body.view.getUint32(0), limit: body.offset(4) };
    },
    write: ({ stream, limit }) => concat(u32(stream), u64(limit)),
  }],
  [RESET, {
    on: 'bulk',
    read(body) {
      body.size(6);
      return { stream: body.view.getUint32(0), code: body.view.getUint16(4) };
    },
    write: ({ stream, code }) => concat(u32(stream), u16(code)),
  }],
]);

function empty() {
  return {
    read(/** @type {Body} */ body) {
      body.size(0);
      return {};
    },
    write: () => new Uint8Array(0),
  };
}

/** @param {Body} body */
function readClose(body) {
  body.size(2, 2 + MAX_REASON);
  try {
    return { code: body.view.getUint16(0), reason: fromUtf8(body.bytes.subarray(2)) };
  } catch {
    throw new QrfldError('bad-frame', 'a reason that is not UTF-8');
  }
}

/** @param {string} reason */
function shortened(reason) {
  let text = reason.toWellFormed();
  while (new TextEncoder().encode(text).length > MAX_REASON) text = [...text].slice(0, -1).join('');
  return new TextEncoder().encode(text);
}

/** @param {Body} body */
function readGet(body) {
  body.size(52);
  const get = { stream: body.view.getUint32(0), blob: copy(body.bytes.subarray(4, 36)), offset: body.offset(36), limit: body.offset(44) };
  demand(body.view.getBigUint64(36) <= body.view.getBigUint64(44), 'bad-frame', 'a GET whose offset exceeds its limit');
  return get;
}

/** @param {Body} body */
function readChunk(body) {
  body.size(13, 13 + MAX_CHUNK);
  const flags = body.bytes[12];
  const chunk = { stream: body.view.getUint32(0), offset: body.offset(4), last: flags === LAST, data: copy(body.bytes.subarray(13)) };
  demand(flags === LAST || flags === 0, 'bad-frame', 'unknown flags');
  demand(chunk.last || chunk.data.length > 0, 'bad-frame', 'an empty CHUNK that is not the last');
  return chunk;
}

/** @param {Frame} frame @returns {Uint8Array} */
export function encodeFrame(frame) {
  const layout = /** @type {NonNullable<ReturnType<typeof LAYOUTS.get>>} */ (LAYOUTS.get(frame.type));
  return concat(u8(frame.type), layout.write(frame));
}

/**
 * @param {Uint8Array} bytes an opened record: at least one byte
 * @param {'control' | 'bulk'} kind of the connection
 * @returns {Frame}
 * @throws {QrfldError} `bad-frame`, `unexpected-frame`
 */
export function decodeFrame(bytes, kind) {
  const layout = LAYOUTS.get(bytes[0]);
  demand(layout, 'bad-frame', `an unknown type ${bytes[0]}`);
  demand(layout.on === kind || layout.on === 'both', 'unexpected-frame', `type ${bytes[0]} on a ${kind} connection`);
  return { type: bytes[0], ...layout.read(new Body(bytes.subarray(1))) };
}
