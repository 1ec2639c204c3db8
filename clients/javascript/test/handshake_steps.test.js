// spec/vectors/handshake-steps and resumption: what an initiator makes of one message of the peer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BulkJoin } from '../src/bulk.js';
import { hex, unhex } from '../src/bytes.js';
import { QrfldError } from '../src/errors.js';
import { Initiator } from '../src/handshake.js';
import { Identity } from '../src/identity.js';
import { Resumption } from '../src/resumption.js';
import { suiteOf } from '../src/suites.js';
import { area } from './support/vectors.js';

const chancesOf = (/** @type {any} */ v) => ({
  random: unhex(v.random), kemSeed: unhex(v.kem_seed), scalar: unhex(v.x25519_private), aeads: v.offers?.map((/** @type {number} */ offer) => offer >> 8),
});

/** @param {any} v @param {string} peer node ID in hex */
function initiatorOf(v, peer) {
  const identity = new Identity(suiteOf(v.initiator.offers[0] & 0xff), unhex(v.initiator.identity_seed));
  return new Initiator(identity, unhex(v.federation), unhex(peer), chancesOf(v.initiator));
}

/** Feeds a message piece by piece, as a socket would. @param {Initiator} side @param {Uint8Array} message @returns {Uint8Array | null} the answer */
function fed(side, message) {
  for (let rest = message; rest.length; ) {
    const n = side.needs();
    if (n > rest.length) throw new QrfldError('truncated', 'no more bytes');
    const answer = side.receive(rest.subarray(0, n));
    if (answer) return answer;
    rest = rest.subarray(n);
  }
  return null;
}

test('an initiator is asked for a cookie: M1 with it, then M2', () => {
  const [, v] = area('handshake').find(([, { retry }]) => retry) ?? [];
  const side = initiatorOf(v, v.responder.node_id);
  assert.equal(hex(side.first), v.retry.first_m1);
  assert.equal(hex(fed(side, unhex(v.retry.retry))), v.m1);
  assert.equal(fed(side, unhex(v.m2)).length, v.m3.length / 2);
});

test('an initiator refuses', async (t) => {
  const ours = area('handshake-steps').filter(([, { role, initiator }]) => role === 'initiator' && initiator);
  for (const [name, v] of ours) {
    await t.test(`${name}: ${v.comment}`, () => {
      const side = initiatorOf(v, v.peer);
      assert.equal(hex(side.first), v.sent[0]);
      const play = () => v.received.forEach((/** @type {string} */ message, /** @type {number} */ at) => {
        const answer = fed(side, unhex(message));
        if (answer && v.sent[at + 1]) assert.equal(hex(answer), v.sent[at + 1]);
      });
      assert.throws(play, { code: v.expect });
      assert.equal(side.secrets, undefined);
    });
  }
  assert.ok(ours.length > 0);
});

test('an initiator opens a bulk connection', async (t) => {
  const ours = area('handshake-steps/bulk').filter(([, { role }]) => role === 'initiator');
  for (const [name, v] of ours) {
    await t.test(`${name}: ${v.comment}`, () => {
      const { id, wire_suite: wire, bulk } = v.session;
      const secrets = { suite: suiteOf(wire & 0xff), aead: wire >> 8, sessionId: unhex(id), bulk: unhex(bulk) };
      const join = new BulkJoin(/** @type {any} */ (secrets), unhex(v.random));
      assert.equal(hex(join.b1), v.sent[0]);
      const answer = () => join.receive(unhex(v.received[0])).b3;
      if (v.expect === 'ok') assert.equal(hex(answer()), v.sent[1]);
      else assert.throws(answer, { code: v.expect });
    });
  }
});

test('an initiator with a ticket refuses', async (t) => {
  for (const [name, v] of area('resumption').filter(([, { role }]) => role === 'initiator')) {
    await t.test(`${name}: ${v.comment}`, () => {
      const suite = suiteOf(v.wire_suite & 0xff);
      const { side_that_dials: side } = v.before;
      const ticket = { suite, aead: v.wire_suite >> 8, id: unhex(v.before[`ticket_${side}`]), secret: unhex(v.before[`ticket_secret_${side}`]) };
      const resumption = new Resumption(unhex(v.initiator.node_id), unhex(v.federation), unhex(v.responder.node_id), /** @type {any} */ (ticket), chancesOf(v.initiator));
      assert.equal(hex(resumption.first), v.sent[0]);
      assert.throws(() => resumption.receive(unhex(v.received[0])), { code: v.expect });
    });
  }
});
