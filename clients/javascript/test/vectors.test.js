// spec/vectors, area by area (section 20.4).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobHash } from '../src/blobs.js';
import { concat, hex, u8, unhex } from '../src/bytes.js';
import { decode, encode } from '../src/canonical.js';
import { Chain } from '../src/chain.js';
import { decodeFrame, MESSAGE } from '../src/frames.js';
import { Identity, nodeId, nodeText, parseNodeText } from '../src/identity.js';
import { decodeMessage, encodeMessage } from '../src/messages.js';
import { readBody, verify, verifyAdmission, verifyGenesis, writeBody } from '../src/statements.js';
import { suiteOf } from '../src/suites.js';
import { readModel } from '../src/tensors.js';
import { formatToken, parseToken } from '../src/tokens.js';
import { area, assertFields, bytesOf, valueOf } from './support/vectors.js';

/** A vector that is refused: the action has to fail with one of these codes. */
const refused = (/** @type {() => unknown} */ action, /** @type {string[]} */ ...codes) =>
  assert.throws(action, (/** @type {any} */ error) => codes.includes(error.code));

test('encoding', async (t) => {
  for (const [name, v] of area('encoding')) {
    await t.test(`${name}: ${v.comment}`, () => {
      if (v.bytes === undefined) return refused(() => encode(valueOf(v.value)), 'encoding');
      const bytes = bytesOf(v.bytes);
      if (v.expect !== 'ok') return refused(() => decode(bytes, v.max_bytes), v.expect);
      assert.deepEqual(decode(bytes, v.max_bytes), valueOf(v.value));
      return assert.equal(hex(encode(valueOf(v.value))), hex(bytes));
    });
  }
});

test('messages', async (t) => {
  for (const [name, v] of area('messages')) {
    await t.test(`${name}: ${v.comment}`, () => {
      const receive = () => {
        const frame = decodeFrame(concat(u8(MESSAGE), bytesOf(v.body)), 'control');
        return decodeMessage(frame.code, frame.structure);
      };
      if (!['ok', 'ignored'].includes(v.expect)) return refused(receive, v.expect);
      const message = receive();
      if (v.expect === 'ignored') return assert.equal(message, null);
      assert.equal(message.name, v.name);
      if (v.fields) assertFields(message.fields, v.fields);
      const { code, structure } = encodeMessage(message.name, message.fields);
      const written = concat(unhex(code.toString(16).padStart(4, '0')), structure);
      return assert.equal(hex(written), hex(bytesOf(v.written ?? v.body)));
    });
  }
});

test('bodies', async (t) => {
  for (const [name, v] of area('bodies')) {
    await t.test(`${name}: ${v.comment}`, () => {
      const body = bytesOf(v.body);
      if (v.expect !== 'ok') return refused(() => readBody(v.kind, body), v.expect);
      const read = readBody(v.kind, body);
      if (v.fields) assertFields(read, v.fields);
      return assert.equal(hex(writeBody(v.kind, read)), hex(bytesOf(v.written ?? v.body)));
    });
  }
});

/** @param {any} v a vector of `statements/` @returns {any} what the verifier of its kind accepts */
function accepted(v) {
  const envelope = bytesOf(v.statement);
  if (v.kind === 1) return verifyGenesis(envelope);
  const key = { suite: v.signer.suite, publicKey: bytesOf(v.signer.public_key) };
  const federation = v.federation && bytesOf(v.federation);
  if (v.kind !== 2) return verify(envelope, v.kind, key, federation);
  const founding = { id: federation, body: { suites: v.suites, founderSuite: key.suite, founderKey: key.publicKey } };
  const member = verifyAdmission(envelope, founding);
  assert.equal(hex(nodeId(member.key.suite, member.key.publicKey)), hex(member.id));
  return { ...member.statement, subject: member.id };
}

test('statements', async (t) => {
  for (const [name, v] of area('statements')) {
    await t.test(`${name}: ${v.comment}`, () => {
      if (v.expect !== 'ok') return refused(() => accepted(v), 'statement', 'encoding');
      const statement = accepted(v);
      assertFields(statement.body, v.fields);
      assert.equal(hex(statement.id), v.id);
      if (v.run) assert.equal(hex(statement.id.slice(0, 16)), v.run);
      if (v.subject) assert.equal(hex(statement.subject), v.subject);
    });
  }
});

test('blobs', async (t) => {
  for (const [name, v] of area('blobs')) {
    await t.test(`${name}: ${v.comment}`, () => {
      const blob = bytesOf(v.blob);
      const good = hex(blobHash(blob)) === v.hash && blob.length === v.length;
      assert.equal(good, v.expect === 'ok');
    });
  }
});

test('tensors', async (t) => {
  for (const [name, v] of area('tensors')) {
    await t.test(`${name}: ${v.comment}`, () => {
      const blob = bytesOf(v.blob);
      if (v.expect !== 'ok') return refused(() => readModel(blob, v.max_bytes), v.expect);
      const { tensors } = readModel(blob, v.max_bytes);
      const listed = tensors.map(({ name: own, dtype, shape, offset, bytes }) => ({ name: own, dtype, shape, offset, data: hex(blob.subarray(offset, offset + bytes)) }));
      assert.deepEqual(listed, v.tensors.map((/** @type {any} */ tensor) => ({ ...tensor, data: hex(bytesOf(tensor.data)) })));
      return assert.equal(hex(blobHash(blob)), v.hash);
    });
  }
});

test('identity', async (t) => {
  for (const [name, v] of area('identity')) {
    await t.test(`${name}: ${v.comment}`, () => {
      if (v.expect !== 'ok') return refused(() => parseNodeText(v.text), v.expect);
      assert.equal(hex(parseNodeText(v.text)), v.node_id);
      assert.equal(nodeText(unhex(v.node_id)), v.written ?? v.text);
      if (v.seed) assert.equal(hex(new Identity(suiteOf(v.suite), unhex(v.seed)).publicKey), v.public_key);
    });
  }
});

test('tokens', async (t) => {
  for (const [name, v] of area('tokens')) {
    await t.test(`${name}: ${v.comment}`, () => {
      if (v.expect !== 'ok') return refused(() => parseToken(v.token), v.expect);
      const token = parseToken(v.token);
      assertFields(token, v.fields);
      if (v.section !== '11.1') assert.equal(formatToken(token), v.written ?? v.token);
    });
  }
});

test('chains', async (t) => {
  for (const [name, v] of area('chains')) {
    await t.test(`${name}: ${v.comment}`, () => {
      const chain = new Chain(unhex(v.run), readBody(16, bytesOf(v.config)), { suite: 1, publicKey: new Uint8Array(0) });
      for (const { id, body } of v.held) chain.follow(unhex(id), readBody(18, bytesOf(body)));
      const follow = () => chain.follow(new Uint8Array(32), readBody(18, bytesOf(v.record)));
      // A record of a round that is held changes nothing: the first one stands.
      if (v.expect !== 'ok') return refused(() => assert.equal(follow(), undefined), 'record', 'encoding', 'ERR_ASSERTION');
      return assert.ok(follow());
    });
  }
});
