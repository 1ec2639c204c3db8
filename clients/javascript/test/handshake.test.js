// The initiator against responders that keep the rules, and those that do not.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { u16, concat } from '../src/bytes.js';
import { Initiator } from '../src/handshake.js';
import { Identity } from '../src/identity.js';
import { dial } from '../src/session.js';
import { Founder, Listener, respond } from './support/peer.js';

const founder = new Founder();
const own = Identity.make(1);
/** @type {Listener} */
let listener;
beforeEach(async () => {
  listener = await new Listener().start();
});
afterEach(() => listener.stop());

/** Dials a responder that behaves as it is told. @param {any} wants @param {any} [initiator] */
async function meet(wants, initiator = new Initiator(own, founder.federation, founder.identity.id)) {
  const answered = listener.accept().then((socket) => respond(socket, founder, wants));
  answered.catch(() => undefined);
  const session = await dial(listener.address, initiator);
  return { session, peer: await answered };
}

for (const suite of [1, 2]) {
  for (const aead of [1, 2]) {
    test(`initiator meets suite ${suite} with AEAD ${aead}: a session`, async () => {
      const other = new Founder(suite);
      const answered = listener.accept().then((socket) => respond(socket, other, { aead }));
      const session = await dial(listener.address, new Initiator(Identity.make(suite), other.federation, other.identity.id));
      const peer = await answered;
      assert.deepEqual(session.secrets.sessionId, peer.secrets.sessionId);
      assert.equal(session.secrets.aead, aead);
      session.end(new Error('enough'));
    });
  }
}

test('initiator is asked for a cookie once: sends it and goes on', async () => {
  const { session, peer } = await meet({ retries: 1 });
  assert.deepEqual(session.secrets.bulk, peer.secrets.bulk);
  session.end(new Error('enough'));
});

test('initiator is asked for a cookie twice: fails', async () => {
  await assert.rejects(meet({ retries: 2 }), { code: 'handshake-failed' });
});

test('another node of the federation answers: initiator fails and shows nothing of itself', async () => {
  await assert.rejects(meet({ identity: Identity.make(1) }), { code: 'handshake-failed', message: /another node/ });
});

test('initiator dials itself: refused before anything is sent', () => {
  assert.throws(() => new Initiator(own, founder.federation, own.id), { code: 'handshake-failed' });
});

test('responder chooses what was not offered: initiator fails after two bytes', async () => {
  await assert.rejects(meet({ m2: (/** @type {Uint8Array} */ m2) => concat(u16(0x0301), m2.subarray(2)) }), { code: 'handshake-failed', message: /not offered/ });
});

test('any field of M2 is changed: initiator fails', async () => {
  for (const at of [0, 1, 2, 34, 34 + 1088, 66 + 1088, 3000, 6432]) {
    const flip = (/** @type {Uint8Array} */ m2) => Uint8Array.from(m2, (byte, i) => (i === at ? byte ^ 1 : byte));
    await assert.rejects(meet({ m2: flip }), { code: 'handshake-failed' }, `byte ${at}`);
    listener.stop();
    listener = await new Listener().start();
  }
});

test('responder swaps the offered AEAD in M2: initiator fails', async () => {
  // AES was chosen by somebody between the two: the key of the payload hangs on the header.
  await assert.rejects(meet({ m2: (/** @type {Uint8Array} */ m2) => concat(u16(0x0101), m2.subarray(2)) }), { code: 'handshake-failed' });
});

test('responder closes in the middle of M2: initiator reports the truncation', async () => {
  const cut = listener.accept().then(async (socket) => {
    await respond(socket, founder, { m2: (m2) => { socket.end(m2.subarray(0, 100)); return new Uint8Array(0); } });
  });
  cut.catch(() => undefined);
  await assert.rejects(dial(listener.address, new Initiator(own, founder.federation, founder.identity.id)), { code: 'truncated' });
});
