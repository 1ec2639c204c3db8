// spec/vectors/resumption: a session from a ticket, byte for byte, and the tickets that follow.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, unhex } from '../src/bytes.js';
import { decodeFrame, encodeFrame, MESSAGE, PING } from '../src/frames.js';
import { secretsOf } from '../src/handshake.js';
import { Opener } from '../src/records.js';
import { Resumption } from '../src/resumption.js';
import { suiteOf } from '../src/suites.js';
import { vectors } from './support/vectors.js';

for (const name of ['suite-1-aes', 'suite-1-chacha', 'suite-2-chacha'].map((name) => `resumption/${name}.json`)) {
  const v = vectors(name);
  const suite = suiteOf(v.wire_suite & 0xff);
  const aead = v.wire_suite >> 8;
  const start = () => {
    const s1 = unhex(v.s1);
    const side = v.before.side_that_dials;
    const ticket = { suite, aead, id: unhex(v.before[`ticket_${side}`]), secret: unhex(v.before[`ticket_secret_${side}`]) };
    const chances = { random: s1.slice(21, 53), kemSeed: unhex(v.initiator.kem_seed), scalar: unhex(v.initiator.x25519_private) };
    return new Resumption(unhex(v.initiator.node_id), unhex(v.federation), unhex(v.responder.node_id), ticket, chances);
  };

  test(`${name}: the initiator builds S1, takes S2 and answers S3`, () => {
    const resumption = start();
    assert.equal(hex(resumption.first), v.s1);
    assert.equal(resumption.needs(), unhex(v.s2).length);
    assert.equal(hex(resumption.receive(unhex(v.s2))), v.s3);
    const { secrets, control } = resumption;
    assert.equal(hex(secrets.sessionId), v.session_id);
    assert.equal(hex(secrets.bulk), v.bulk);
    assert.equal(hex(secrets.ticket.id), v.ticket_initiator);
    assert.equal(hex(secrets.ticket.secret), v.ticket_secret_initiator);
    const message = new Opener(suite, aead, unhex(v.traffic_initiator.chain), 'control');
    message.open(unhex(v.s3).subarray(4));
    const frame = decodeFrame(message.open(unhex(v.records.initiator_message).subarray(4)), 'control');
    assert.equal(frame.type, MESSAGE);
    assert.equal(hex(control.sealer.seal(encodeFrame(frame))), v.records.initiator_message);
    assert.equal(decodeFrame(control.opener.open(unhex(v.records.responder_ping).subarray(4)), 'control').type, PING);
  });

  test(`${name}: any flipped byte of S2 ends the resumption`, () => {
    for (let at = 0; at < unhex(v.s2).length; at += 61) {
      const s2 = unhex(v.s2);
      s2[at] ^= 1;
      assert.throws(() => start().receive(s2), { code: 'handshake-failed' }, `byte ${at}`);
    }
  });

  test(`${name}: the tickets of the session before follow from its master`, () => {
    const { ticket } = secretsOf(suite, aead, unhex(v.responder.node_id), unhex(v.before.master));
    assert.equal(hex(ticket.id), v.before.ticket_initiator);
    assert.equal(hex(ticket.secret), v.before.ticket_secret_initiator);
  });
}
