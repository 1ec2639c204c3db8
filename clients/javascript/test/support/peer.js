// A responder for tests, of this client's own primitives: section 5, 5.7 and 7 from the other side. It
// does what it is told to, so that a test can play any peer, hostile ones included.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { concat, copy, same, u16, u8, view } from '../../src/bytes.js';
import { Connection, readExactly } from '../../src/connection.js';
import { secretsOf } from '../../src/handshake.js';
import { Identity } from '../../src/identity.js';
import { decodeMessage, encodeMessage } from '../../src/messages.js';
import { Opener, recordKey, Sealer } from '../../src/records.js';
import { sign } from '../../src/statements.js';
import { derive, exchangeKeys, expandLabel, extractSecret, mac, open, seal, transcript, x25519Shared } from '../../src/suites.js';
import { MESSAGE } from '../../src/frames.js';

/** A federation of one founder, who admits whom the test wants. */
export class Founder {
  /** @param {number} [suite] */
  constructor(suite = 1) {
    this.identity = Identity.make(suite);
    const { id, publicKey } = this.identity;
    this.genesis = sign(1, {
      format: 1, name: 'tests', suites: [suite], founderSuite: suite, founderKey: publicKey, validators: [id],
      limits: { maxMembers: 10, maxModelBytes: 1 << 20 }, createdAt: 1n, nonce: randomBytes(16),
    }, this.identity);
    this.federation = this.genesis.id;
    this.certificate = this.admit(this.identity, 'founder');
  }

  /** @param {Identity} identity @param {string} name @returns {Uint8Array} certificate */
  admit({ suite, publicKey }, name) {
    return sign(2, {
      federation: this.federation, suiteId: suite.id, publicKey, name, issuedAt: 1n, issuer: this.identity.id, serial: randomBytes(16),
    }, this.identity).bytes;
  }
}

/** Sockets of one listener on loopback, in the order in which they came. */
export class Listener {
  /** @type {net.Socket[]} */
  waiting = [];

  async start() {
    this.server = net.createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      this.waiting.push(socket);
      this.server.emit('queued');
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.address = { host: '127.0.0.1', port: /** @type {net.AddressInfo} */ (this.server.address()).port };
    return this;
  }

  /** @returns {Promise<net.Socket>} */
  async accept() {
    while (!this.waiting.length) await once(this.server, 'queued');
    this.last = /** @type {net.Socket} */ (this.waiting.shift());
    return this.last;
  }

  stop() {
    for (const socket of [...this.waiting, this.last]) socket?.destroy();
    this.server.close();
  }
}

/** M1 as a whole. @param {net.Socket} socket @param {import('../../src/suites.js').Suite} suite */
async function readM1(socket, suite) {
  const start = await readExactly(socket, 9);
  const rest = await readExactly(socket, 2 * start[8] + 64 + suite.kemKeyBytes + 2);
  const cookie = view(rest).getUint16(rest.length - 2);
  return concat(start, rest, await readExactly(socket, cookie + 16));
}

/**
 * Answers a full handshake.
 * @param {net.Socket} socket
 * @param {Founder} founder
 * @param {{ retries?: number, aead?: number, identity?: Identity, m2?: (bytes: Uint8Array) => Uint8Array, mangle?: (parts: any) => void }} [wants]
 *   `m2` changes what is sent; `identity` signs in place of the founder
 */
export async function respond(socket, founder, { retries = 0, aead, identity = founder.identity, m2 = (bytes) => bytes } = {}) {
  const { suite } = identity;
  let m1 = await readM1(socket, suite);
  for (let i = 0; i < retries; i++) {
    socket.write(concat(u16(0), u16(40), randomBytes(40)));
    m1 = await readM1(socket, suite);
  }
  const n = m1[8];
  const wire = aead === undefined ? view(m1).getUint16(9) : (aead << 8) | suite.id;
  const at = 41 + 2 * n;
  const keys = exchangeKeys(suite, randomBytes(64), randomBytes(32));
  const { cipherText, sharedSecret } = suite.kem.encapsulate(copy(m1.subarray(at, at + suite.kemKeyBytes)));
  const shared = x25519Shared(keys.x25519Secret, m1.subarray(at + suite.kemKeyBytes, at + suite.kemKeyBytes + 32));
  const header = concat(u16(wire), randomBytes(32), cipherText, keys.x25519Public);
  const th1 = transcript(suite, founder.federation, m1, header);
  const secret = extractSecret(suite, new Uint8Array(suite.hashBytes), concat(sharedSecret, shared));
  const side = (/** @type {string} */ label) => recordKey(suite, expandLabel(suite, secret, `handshake ${label}`, th1, suite.hashBytes));
  const ours = concat(u8(suite.id), identity.publicKey, identity.sign(concat(th1, identity.id), 'qrfld-1 responder'), u8(0x80));
  const key = side('responder');
  socket.write(m2(concat(header, seal(wire >> 8, key.key, key.iv, th1, ours))));
  const th2 = transcript(suite, founder.federation, m1, header, ours);
  const sealed = await readExactly(socket, ours.length + 16);
  const theirKey = side('initiator');
  const theirs = open(wire >> 8, theirKey.key, theirKey.iv, th2, sealed);
  const th3 = transcript(suite, founder.federation, m1, header, ours, theirs);
  return opened(socket, suite, wire >> 8, expandLabel(suite, secret, 'master', th3, suite.hashBytes));
}

/** @param {net.Socket} socket @param {import('../../src/suites.js').Suite} suite @param {number} aead @param {Uint8Array} master */
function opened(socket, suite, aead, master) {
  const secrets = secretsOf(suite, aead, new Uint8Array(32), master);
  const directions = { sealer: new Sealer(suite, aead, secrets.responder, 'control'), opener: new Opener(suite, aead, secrets.initiator, 'control') };
  return new PeerSession(socket, secrets, directions);
}

/**
 * Answers a resumption.
 * @param {net.Socket} socket @param {Founder} founder @param {{ id: Uint8Array, secret: Uint8Array }} ticket
 * @param {Uint8Array} initiator node ID @param {{ suite: any, aead: number }} before
 */
export async function respondToTicket(socket, founder, ticket, initiator, { suite, aead }) {
  const s1 = await readExactly(socket, 117 + suite.kemKeyBytes);
  if (!same(s1.subarray(5, 21), ticket.id)) throw new Error('another ticket');
  const body = s1.subarray(0, s1.length - 32);
  if (!same(mac(derive(suite, ticket.secret, 'resume mac'), body), s1.subarray(body.length))) throw new Error('a wrong mac');
  const keys = exchangeKeys(suite, randomBytes(64), randomBytes(32));
  const { cipherText, sharedSecret } = suite.kem.encapsulate(copy(s1.subarray(53, 53 + suite.kemKeyBytes)));
  const shared = x25519Shared(keys.x25519Secret, s1.subarray(53 + suite.kemKeyBytes, body.length));
  const s2 = concat(randomBytes(32), cipherText, keys.x25519Public);
  const th = transcript(suite, founder.federation, initiator, founder.identity.id, s1, s2);
  const secret = extractSecret(suite, ticket.secret, concat(sharedSecret, shared));
  socket.write(concat(s2, expandLabel(suite, secret, 'resume confirm', th, 32)));
  const session = opened(socket, suite, aead, expandLabel(suite, secret, 'resume master', th, suite.hashBytes));
  const confirm = await readExactly(socket, 21);
  if (session.control.opener.open(confirm.subarray(4))[0] !== 0x08) throw new Error('no RESUME_CONFIRM');
  return session;
}

/** The responder's end of an open session. */
export class PeerSession {
  /** @param {net.Socket} socket @param {import('../../src/handshake.js').Secrets} secrets @param {any} directions */
  constructor(socket, secrets, directions) {
    this.secrets = secrets;
    this.control = new Connection(socket, 'control', directions);
  }

  /** @param {string} name @param {any} fields */
  send(name, fields) {
    this.control.send({ type: MESSAGE, ...encodeMessage(name, fields) });
  }

  /** The next message, other frames left out. @returns {Promise<{ name: string, fields: any } | null>} */
  async message() {
    for (;;) {
      const frame = await this.control.receive();
      if (frame.type === MESSAGE) return decodeMessage(frame.code, frame.structure);
    }
  }

  /** Takes the bulk connection. @param {net.Socket} socket @param {(b2: Uint8Array) => Uint8Array} [b2] changes what is sent */
  async join(socket, b2 = (bytes) => bytes) {
    const { suite, aead, bulk } = this.secrets;
    const b1 = await readExactly(socket, 85);
    const random = randomBytes(32);
    const sent = concat(random, mac(derive(suite, bulk, 'bulk mac responder'), concat(b1, random)));
    socket.write(b2(sent));
    const bth = transcript(suite, b1, sent);
    const chain = (/** @type {string} */ side) => expandLabel(suite, bulk, `bulk ${side}`, bth, suite.hashBytes);
    this.bulk = new Connection(socket, 'bulk', { sealer: new Sealer(suite, aead, chain('responder'), 'bulk'), opener: new Opener(suite, aead, chain('initiator'), 'bulk') });
    const confirm = await readExactly(socket, 21);
    if (this.bulk.opener.open(confirm.subarray(4))[0] !== 0x07) throw new Error('no BULK_CONFIRM');
    return this.bulk;
  }

  /** A raw frame. @param {Uint8Array} frame */
  raw(frame) {
    this.control.socket.write(this.control.sealer.seal(frame));
  }
}

