// spec/vectors of open connections: records, frames, connections.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, unhex, view } from '../src/bytes.js';
import { readExactly } from '../src/connection.js';
import { CreditToReceive, CreditToSend } from '../src/credit.js';
import { CODES } from '../src/errors.js';
import * as frames from '../src/frames.js';
import { Opener, Sealer } from '../src/records.js';
import { Download, Streams } from '../src/streams.js';
import { suiteOf } from '../src/suites.js';
import { area, assertFields, bytesOf } from './support/vectors.js';
import { Open, settled, Wire } from './support/wire.js';

test('records', async (t) => {
  for (const [name, v] of area('records')) {
    await t.test(`${name}: ${v.comment}`, async () => {
      const side = (/** @type {any} */ Side) => {
        const made = new Side(suiteOf(v.wire_suite & 0xff), v.wire_suite >> 8, unhex(v.chain), v.connection);
        return Object.assign(made, v.sealed);
      };
      const opener = side(Opener);
      const wire = new Wire();
      wire.push(bytesOf(v.stream));
      wire.push(null);
      const opened = [];
      let outcome = 'ok';
      try {
        while (opened[opened.length - 1]?.slice(0, 2) !== '04') {
          const n = opener.length(await readExactly(/** @type {any} */ (wire), 4));
          const frame = opener.open(await readExactly(/** @type {any} */ (wire), n));
          opened.push(hex(frame));
          if (frame[0] === frames.KEY_UPDATE) opener.step();
        }
      } catch (error) {
        outcome = /** @type {any} */ (error).code;
      }
      assert.equal(outcome, v.expect);
      assert.deepEqual(opened, v.frames);
      if (v.expect !== 'ok') return;
      const sealer = side(Sealer);
      const records = v.frames.map((/** @type {string} */ frame) => {
        const record = sealer.seal(unhex(frame));
        if (frame === '05') sealer.step();
        return hex(record);
      });
      assert.equal(records.join(''), hex(bytesOf(v.stream)));
    });
  }
});

const NAMES = new Map(['MESSAGE', 'PING', 'PONG', 'CLOSE', 'KEY_UPDATE', 'CREDIT', 'GET', 'CHUNK', 'STREAM_CREDIT', 'RESET'].map((name) => [frames[/** @type {'PING'} */ (name)], name]));

/** This client's names of fields where the text has others. @param {any} frame */
function asWritten({ type, blob, last, code, structure, ...rest }) {
  if (type === frames.MESSAGE) return { code, structure };
  if (blob) return { blobHash: blob, ...rest };
  if (last !== undefined) return { flags: Number(last), ...rest };
  return code === undefined ? rest : { code, ...rest };
}

test('frames', async (t) => {
  for (const [name, v] of area('frames')) {
    await t.test(`${name}: ${v.comment}`, () => {
      const data = bytesOf(v.frame);
      if (v.expect !== 'ok') return assert.throws(() => frames.decodeFrame(data, v.connection), { code: v.expect });
      const frame = frames.decodeFrame(data, v.connection);
      assert.equal(NAMES.get(frame.type), v.name);
      if (frame.type !== frames.MESSAGE) assertFields(asWritten(frame), v.fields);
      return assert.equal(hex(frames.encodeFrame(frame)), hex(data));
    });
  }
});

/** Steps with `times` written out. @param {any} v */
const stepsOf = (v) => v.steps.flatMap((/** @type {any} */ step) => Array(step.times ?? 1).fill(step));

test('connections/credit', async (t) => {
  for (const [name, v] of area('connections').filter(([path]) => path.includes('/credit/'))) {
    await t.test(`${name}: ${v.comment}`, () => assert.equal(playCredit(v), v.expect));
  }
});

/** @param {any} v @returns {string} outcome */
function playCredit(v) {
  const incoming = new CreditToReceive();
  const outgoing = new CreditToSend();
  const grants = [];
  const consume = (/** @type {number} */ bytes) => {
    const limit = incoming.consume(bytes);
    if (limit !== null) grants.push(hex(frames.encodeFrame({ type: frames.CREDIT, limit })));
  };
  try {
    for (const step of stepsOf(v)) {
      const data = bytesOf(step.receive ?? step.send ?? step.answer ?? '');
      if (step.consume) consume(step.consume);
      else if (step.answer) {
        if (data[0] === frames.CREDIT) assert.equal(grants.shift(), hex(data));
      } else if (step.send) {
        if (data[0] === frames.MESSAGE && !outgoing.take(data.length - 1)) return 'must-not-send';
      } else if (data[0] === frames.MESSAGE) {
        incoming.arrived(data.length - 1);
        if (data[2] % 2 === 1 && view(data).getUint16(1) === 0x15) consume(data.length - 1); // an unknown odd code
      } else if (data[0] === frames.CREDIT) outgoing.grant(frames.decodeFrame(data, 'control').limit);
    }
    return 'ok';
  } catch (error) {
    return /** @type {any} */ (error).code;
  }
}

test('connections', async (t) => {
  const ours = area('connections').filter(([path, v]) => !path.includes('/credit/') && v.expect !== 'must-not-send');
  for (const [name, v] of ours) {
    await t.test(`${name}: ${v.comment}`, async () => {
      const { outcome, told } = await play(v);
      assert.equal(outcome, v.expect === 'ignored' ? 'ok' : v.expect);
      if (v.expect in CODES && v.expect !== 'truncated') assert.equal(told, CODES[/** @type {'normal'} */ (v.expect)]);
    });
  }
});

/** What this client would supply so that its answers are those of the vector. @param {any} v */
function supplyOf(v) {
  const sent = v.steps.filter((/** @type {any} */ { send }) => send).map((/** @type {any} */ { send }) => frames.decodeFrame(bytesOf(send), 'bulk'));
  if (sent.some(({ type, code }) => type === frames.RESET && code === CODES['not-found'])) return null;
  const last = sent.find((frame) => frame.last);
  return new Uint8Array(last ? last.offset + last.data.length : (1 << 20) + 1);
}

/** @param {any} v @returns {Promise<{ outcome: string, told: number | undefined }>} */
async function play(v) {
  const open = new Open(v.connection);
  const blob = supplyOf(v);
  const streams = new Streams(open.connection, () => blob, v.role === 'initiator');
  let outcome = 'ok';
  const reading = (async () => {
    try {
      for (;;) {
        const frame = await open.connection.receive();
        if (v.connection === 'bulk' && frame.type !== frames.PONG) streams.receive(frame);
      }
    } catch (error) {
      outcome = /** @type {any} */ (error).number === undefined ? /** @type {any} */ (error).code : 'ok';
      open.connection.close(error);
    }
  })();
  const answers = [];
  for (const step of stepsOf(v)) {
    if (step.receive) open.feed(bytesOf(step.receive));
    if (step.end) open.wire.push(null);
    if (step.send) mirror(streams, frames.decodeFrame(bytesOf(step.send), v.connection), v);
    await settled();
    answers.push(...open.sent().map(hex));
    if (step.answer) assert.ok(answers.includes(hex(bytesOf(step.answer))), `no answer ${hex(bytesOf(step.answer))}`);
  }
  const ended = answers.find((frame) => frame.startsWith('04'));
  if (outcome !== 'ok') await reading;
  open.wire.destroy();
  return { outcome, told: ended === undefined ? undefined : Number.parseInt(ended.slice(2, 6), 16) };
}

/** Our side's own steps as requester; it grants at once what the vector grants later. @param {Streams} streams @param {any} frame @param {any} v */
function mirror(streams, frame, v) {
  if (frame.type === frames.GET) {
    const sent = v.steps.filter((/** @type {any} */ { send }) => send).map((/** @type {any} */ { send }) => frames.decodeFrame(bytesOf(send), 'bulk'));
    const download = new Download(frame.blob, Math.max(...sent.map(({ limit }) => Number(limit ?? 0))));
    download.received = frame.offset;
    streams.nextStream = frame.stream;
    streams.fetch(download).catch(() => undefined);
  } else if (frame.type === frames.RESET && streams.requested.has(frame.stream)) {
    streams.cancel(frame.stream);
  }
}
