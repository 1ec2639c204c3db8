// The vectors that stand in the text of the specification.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobHash } from '../src/blobs.js';
import { hex, unhex, view } from '../src/bytes.js';
import { decode, encode, F64 } from '../src/canonical.js';
import { Identity, nodeText, parseNodeText } from '../src/identity.js';
import { decodeMessage, encodeMessage } from '../src/messages.js';
import { sign, statementId, verify } from '../src/statements.js';
import { suiteOf } from '../src/suites.js';
import { readModel, writeManifest } from '../src/tensors.js';

const ID = 'a966aa315b4a0198753f3931574dca77db37d43501d56897ac2c2949e1b3e15a';
const TEXT = 'VFTKUMK-3JIAZQH-5J7HEYV-OTOKO7H-NTPVBVA-HKWRF5V-MFQUUTY-NT4FNA2';

test('4.1: a node ID as text, and back from what a person types', () => {
  assert.equal(nodeText(unhex(ID)), TEXT);
  assert.equal(hex(parseNodeText(TEXT)), ID);
  assert.equal(hex(parseNodeText(TEXT.toLowerCase().replaceAll('-', ' ').replaceAll('o', '0'))), ID);
  assert.throws(() => parseNodeText(TEXT.replace('VFT', 'FVT')), { code: 'node-id' });
});

test('11.1: a value with one encoding', () => {
  const value = new Map([[0, [true, null, new F64(1.5), 'é', Uint8Array.of(0)]], [1, -1]]);
  assert.equal(hex(encode(value)), '820095c3c0cb3ff8000000000000a2c3a9c4010001ff');
  assert.deepEqual(decode(encode(value), 100), value);
});

test('12: messages', () => {
  const sync = encodeMessage('RUN_SYNC', { run: Uint8Array.from({ length: 16 }, (_, i) => i), nextRound: 300 });
  assert.equal(hex(sync.structure), '8200c410000102030405060708090a0b0c0d0e0f02cd012c');
  const refused = decodeMessage(4, unhex('830002020304a475736564'));
  assert.deepEqual(refused, { name: 'REFUSED', fields: { about: 2, error: 3, reason: 'used' } });
});

test('13.6: an update statement, its ID and a signature over it', () => {
  const signer = new Identity(suiteOf(1), new Uint8Array(32));
  assert.equal(hex(signer.id), ID);
  const body = {
    run: Uint8Array.from({ length: 16 }, (_, i) => i),
    round: 1,
    baseModel: new Uint8Array(32).fill(0x11),
    update: new Uint8Array(32).fill(0x22),
    updateBytes: 2600n,
    samples: 287,
    loss: 0.5,
  };
  const statement = sign(17, body, signer);
  assert.equal(hex(statement.id), '48a7c88f8c8923fdb62826fdb08b7e428a634f64935dc5c2f20911091766e06b');
  const key = { suite: 1, publicKey: signer.publicKey };
  assert.deepEqual(verify(statement.bytes, 17, key).body, body);
  assert.throws(() => verify(statement.bytes, 18, key), { code: 'statement' });
  assert.equal(statementId(17, signer.id, new Uint8Array(0)).length, 32);
});

test('15.1: names of blobs', () => {
  for (const [length, hash] of [
    [0, 'f0c1e0b4cd1983b9c92909f8145cc102993e4c797489c0ba98639fd93056b82f'],
    [1, 'ee8acb9cb20eaf4b807ef586e552774d803cc3dd837bf26e9f509500cc2604bd'],
    [65536, '75bbee7cb4cd40558f2e6f9cc36c9d16cb503782cce7844fdeb00b45659d5d2e'],
    [65537, '933b937488b2a8703c542973ec8ec5a1e1989045fdbd5a1f0858968be205d92c'],
    [196608, '435c49963a9223afe6f85c0c633d446b83e74450378b6719b98b964b1908f190'],
  ]) assert.equal(hex(blobHash(new Uint8Array(length))), hash);
});

test('15.2: a model', () => {
  const manifest = writeManifest([['n', 'u1', [3]], ['w', 'f4', [2, 1]]]);
  assert.equal(hex(manifest), '9293a16ea27531910393a177a26634920201');
  const blob = new Uint8Array(76);
  blob.set(unhex(`5152465400000012${hex(manifest)}`));
  blob.set(unhex('010203000000803f000000c0'), 64);
  assert.equal(hex(blobHash(blob)), 'f0f848a6b008470052a35cfd81b578053c410a398af14aefda000bd34a1b064c');
  const { tensors } = readModel(blob, 100);
  assert.deepEqual(tensors.map(({ offset }) => offset), [64, 68]);
  assert.equal(view(blob).getFloat32(72, true), -2);
  const bad = Uint8Array.from(blob);
  bad[67] = 1;
  assert.throws(() => readModel(bad, 100), { code: 'tensor' });
});
