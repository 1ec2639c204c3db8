// spec/vectors/handshake: one whole handshake and bulk join each, byte for byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BulkJoin } from '../src/bulk.js';
import { hex, unhex } from '../src/bytes.js';
import { BULK_CONFIRM, decodeFrame, encodeFrame, GET, KEY_UPDATE, MESSAGE, PING } from '../src/frames.js';
import { exported, Initiator, secretsOf } from '../src/handshake.js';
import { Identity, nodeId } from '../src/identity.js';
import { Opener, recordKey, Sealer } from '../src/records.js';
import { mac, open, suiteOf, transcript, verifies } from '../src/suites.js';
import { vectors } from './support/vectors.js';

for (const name of ['suite-1-aes', 'suite-1-chacha', 'suite-2-aes', 'suite-2-chacha'].map((name) => `handshake/${name}.json`)) {
  const v = vectors(name);
  const suite = suiteOf(v.wire_suite & 0xff);
  const aead = v.wire_suite >> 8;
  const offers = [...unhex(v.m1.slice(18, 18 + 4 * Number.parseInt(v.m1.slice(16, 18), 16)))];
  const chances = () => ({
    random: unhex(v.m1).slice(9 + offers.length, 41 + offers.length),
    kemSeed: unhex(v.initiator.kem_seed),
    scalar: unhex(v.initiator.x25519_private),
    aeads: offers.filter((_, at) => at % 2 === 0),
  });
  const initiator = () => new Initiator(
    new Identity(suite, unhex(v.initiator.identity_seed)), unhex(v.federation), unhex(v.responder.node_id), chances(),
  );

  test(`${name}: seeds give the node IDs`, () => {
    assert.equal(hex(new Identity(suite, unhex(v.initiator.identity_seed)).id), v.initiator.node_id);
    assert.equal(hex(new Identity(suite, unhex(v.responder.identity_seed)).id), v.responder.node_id);
  });

  test(`${name}: the initiator builds M1 and takes M2`, () => {
    const side = initiator();
    assert.equal(hex(side.m1), v.m1);
    const m2 = unhex(v.m2);
    assert.equal(side.receive(m2.subarray(0, side.needs())), null);
    const m3 = side.receive(m2.subarray(2, 2 + side.needs()));
    assert.equal(m3.length, unhex(v.m3).length);
    assert.equal(hex(side.secrets.peer), v.responder.node_id);
  });

  test(`${name}: M3 of the vector opens, and its signature verifies`, () => {
    const { key, iv } = recordKey(suite, unhex(v.handshake_initiator.chain));
    assert.equal(hex(key), v.handshake_initiator.key);
    assert.equal(hex(iv), v.handshake_initiator.iv);
    const payload = open(aead, key, iv, unhex(v.th2), unhex(v.m3));
    assert.equal(hex(payload), v.payload_initiator);
    const publicKey = payload.slice(1, 1 + suite.publicKeyBytes);
    const signed = unhex(v.th2 + hex(nodeId(suite.id, publicKey)));
    assert.ok(verifies(suite, payload.slice(1 + suite.publicKeyBytes, -1), signed, publicKey, 'qrfld-1 initiator'));
    const header = unhex(v.m2).slice(0, 66 + suite.ciphertextBytes);
    const parts = [v.federation, v.m1].map((text) => unhex(text)).concat([header, unhex(v.payload_responder), payload]);
    assert.equal(hex(transcript(suite, ...parts)), v.th3);
  });
}

for (const name of ['suite-1-aes', 'suite-1-chacha', 'suite-2-aes', 'suite-2-chacha'].map((name) => `handshake/${name}.json`)) {
  const v = vectors(name);
  const suite = suiteOf(v.wire_suite & 0xff);
  const aead = v.wire_suite >> 8;

  test(`${name}: master gives traffic, session id, bulk and exporter`, () => {
    const secrets = secretsOf(suite, aead, unhex(v.responder.node_id), unhex(v.master));
    assert.equal(hex(secrets.initiator), v.traffic_initiator.chain);
    assert.equal(hex(secrets.responder), v.traffic_responder.chain);
    assert.equal(hex(secrets.sessionId), v.session_id);
    assert.equal(hex(secrets.bulk), v.bulk);
    assert.equal(hex(exported(secrets, unhex(v.export.label), v.export.value.length / 2)), v.export.value);
  });

  test(`${name}: the first records of each direction`, () => {
    const sealer = new Sealer(suite, aead, unhex(v.traffic_initiator.chain), 'control');
    const reader = new Opener(suite, aead, unhex(v.traffic_initiator.chain), 'control');
    for (const [record, type] of [
      [v.records.initiator_message, MESSAGE],
      [v.records.initiator_key_update, KEY_UPDATE],
      [v.records.initiator_ping_after_key_update, PING],
    ]) {
      const bytes = unhex(record);
      assert.equal(reader.length(bytes.subarray(0, 4)), bytes.length - 4);
      const frame = decodeFrame(reader.open(bytes.subarray(4)), 'control');
      assert.equal(frame.type, type);
      assert.equal(hex(sealer.seal(encodeFrame(frame))), record);
      if (type === KEY_UPDATE) for (const side of [sealer, reader]) side.step();
    }
    const other = new Opener(suite, aead, unhex(v.traffic_responder.chain), 'control');
    assert.equal(decodeFrame(other.open(unhex(v.records.responder_ping).subarray(4)), 'control').type, PING);
  });

  test(`${name}: the bulk join`, () => {
    const random = unhex(v.bulk_join.b1).slice(21, 53);
    const secrets = { suite, aead, sessionId: unhex(v.session_id), bulk: unhex(v.bulk) };
    const join = new BulkJoin(secrets, random);
    assert.equal(hex(join.b1), v.bulk_join.b1);
    const { b3, sealer, opener } = join.receive(unhex(v.bulk_join.b2));
    assert.equal(hex(b3), v.bulk_join.b3);
    assert.equal(hex(opener.chain), v.bulk_join.responder.chain);
    const get = new Opener(suite, aead, unhex(v.bulk_join.initiator.chain), 'bulk');
    assert.deepEqual(get.open(unhex(v.bulk_join.b3).subarray(4)), Uint8Array.of(BULK_CONFIRM));
    const frame = decodeFrame(get.open(unhex(v.bulk_join.get).subarray(4)), 'bulk');
    assert.equal(frame.type, GET);
    assert.equal(hex(sealer.seal(encodeFrame(frame))), v.bulk_join.get);
    assert.equal(hex(secrets.bulk), '00'.repeat(suite.hashBytes));
  });
}
