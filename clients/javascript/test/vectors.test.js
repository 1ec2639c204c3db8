// spec/vectors, area by area (section 20.4).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, hex, u8, unhex } from '../src/bytes.js';
import { decode, encode } from '../src/canonical.js';
import { decodeFrame, MESSAGE } from '../src/frames.js';
import { nodeId } from '../src/identity.js';
import { decodeMessage, encodeMessage } from '../src/messages.js';
import { readBody, verify, verifyAdmission, verifyGenesis, writeBody } from '../src/statements.js';
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
