// A member against a peer of the test's own: HELLO, both connections, key updates, tickets, hostile peers.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { copy, hex } from '../src/bytes.js';
import { CODES } from '../src/errors.js';
import { Files } from '../src/files.js';
import * as frames from '../src/frames.js';
import { Member } from '../src/member.js';
import { Founder, Listener, respond, respondToTicket } from './support/peer.js';

const founder = new Founder();
/** @type {{ home: string, files: Files, listener: Listener, member: Member, living: Promise<void>, events: any[] }} */
let it;

/** A member of the founder's federation who knows where the founder listens. @param {any} [session] */
async function setUp(session) {
  const home = mkdtempSync(path(tmpdir(), 'qrfld-js-'));
  const files = new Files(home);
  const listener = await new Listener().start();
  const certificate = founder.admit(files.identity(1), 'member');
  const { host, port } = listener.address;
  files.saveMembership({ genesis: founder.genesis.bytes, certificate, issuer: { id: founder.identity.id, addresses: [`${host}:${port}`] } });
  const events = [];
  const member = new Member(files.membership(), files, { tasks: [], report: (event) => events.push(event), session });
  it = { home, files, listener, member, living: member.live(), events };
}

beforeEach(() => setUp());
afterEach(async () => {
  it.member.stop();
  it.listener.stop();
  await it.living;
  rmSync(it.home, { recursive: true });
});

/** A full handshake and the member's HELLO. */
async function meet() {
  const peer = await respond(await it.listener.accept(), founder);
  return { peer, hello: await peer.message() };
}

/** HELLO from the founder, and the bulk connection. @param {any} peer @param {any} [hello] */
async function admit(peer, hello = { software: 'test', certificate: founder.certificate }) {
  peer.send('HELLO', hello);
  return peer.join(await it.listener.accept());
}

/** @param {any} connection @returns {Promise<number | undefined>} */
async function closedWith(connection) {
  try {
    for (;;) await connection.receive();
  } catch (error) {
    return /** @type {any} */ (error).number;
  }
}

test('files of a node are for its owner only', () => {
  for (const name of ['identity.json', 'member.json']) assert.equal(statSync(path(it.home, name)).mode & 0o777, 0o600);
});

test('member meets a peer: HELLO, bulk connection, DIGEST', async () => {
  const { peer, hello } = await meet();
  assert.equal(hello?.name, 'HELLO');
  assert.equal(hex(hello?.fields.certificate), hex(it.member.membership.certificate));
  await admit(peer);
  const digest = await peer.message();
  assert.equal(digest?.name, 'DIGEST');
  assert.equal(digest?.fields.members.length, 2);
});

test('peer speaks before its HELLO: nothing is answered', async () => {
  const { peer } = await meet();
  peer.send('DIGEST', { members: [] });
  await admit(peer);
  assert.equal((await peer.message())?.name, 'DIGEST'); // its own, no MEMBERS
});

test('peer shows another node\'s certificate: not-admitted', async () => {
  const { peer } = await meet();
  peer.send('HELLO', { software: 'test', certificate: it.member.membership.certificate });
  assert.equal(await closedWith(peer.control), CODES['not-admitted']);
});

test('peer shows no certificate after a full handshake: not-admitted', async () => {
  const { peer } = await meet();
  peer.send('HELLO', { software: 'test' });
  assert.equal(await closedWith(peer.control), CODES['not-admitted']);
});

for (const [what, frame, code] of /** @type {[string, Uint8Array, keyof typeof CODES][]} */ ([
  ['an unknown even message', Uint8Array.of(1, 0, 100, 0x80), 'bad-message'],
  ['a structure that is no map', Uint8Array.of(1, 0, 6, 0xc0), 'bad-message'],
  ['a frame of the bulk connection', Uint8Array.of(0x13, 0, 0, 0, 1, 0, 0), 'unexpected-frame'],
  ['a PING of seven bytes', new Uint8Array(8).fill(2, 0, 1), 'bad-frame'],
  ['a lower credit', Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0, 1), 'credit-exceeded'],
])) {
  test(`peer sends ${what}: ${code}`, async () => {
    const { peer } = await meet();
    await admit(peer);
    peer.raw(frame);
    assert.equal(await closedWith(peer.control), CODES[code]);
  });
}

test('peer sends a record that was not sealed: bad-record', async () => {
  const { peer } = await meet();
  peer.control.socket.write(new Uint8Array(64).fill(0).fill(32, 3, 4));
  assert.equal(await closedWith(peer.control), CODES['bad-record']);
});

test('peer updates its key twice and pings: the PONG comes back', async () => {
  const { peer } = await meet();
  for (let i = 0; i < 2; i++) {
    peer.raw(Uint8Array.of(frames.KEY_UPDATE));
    peer.control.sealer.step();
  }
  const token = Uint8Array.from({ length: 8 }, (_, i) => i);
  peer.control.send({ type: frames.PING, token });
  const frame = await peer.control.receive();
  assert.deepEqual(frame, { type: frames.PONG, token });
});

test('member has a limit of four records: it updates its keys again and again', async () => {
  const first = it;
  await setUp({ limits: { records: 4, bytes: 2 ** 36 } });
  const { peer } = await meet();
  for (let i = 0; i < 20; i++) {
    peer.control.send({ type: frames.PING, token: new Uint8Array(8).fill(i) });
    assert.equal((await peer.control.receive()).token[0], i);
  }
  assert.ok([...it.member.sessions.values()][0].control.rekeyed >= 5);
  const second = it;
  it = first;
  second.member.stop();
  second.listener.stop();
  await second.living;
  rmSync(second.home, { recursive: true });
});

test('session is cut: member resumes with its ticket, and its HELLO shows no documents', async () => {
  const { peer } = await meet();
  await admit(peer);
  await peer.message();
  const { suite, aead, ticket } = peer.secrets;
  const kept = { id: copy(ticket.id), secret: copy(ticket.secret) };
  peer.control.socket.destroy();
  const again = await respondToTicket(await it.listener.accept(), founder, kept, it.member.identity.id, { suite, aead });
  const hello = await again.message();
  assert.deepEqual(Object.keys(hello?.fields), ['software']);
  await admit(again, { software: 'test' });
  assert.equal((await again.message())?.name, 'DIGEST');
  assert.deepEqual(it.events.filter(({ event }) => event === 'session').map(({ resumed }) => resumed), [false, true]);
});

test('peer has forgotten the ticket: member comes back with a full handshake', async () => {
  const { peer } = await meet();
  await admit(peer);
  await peer.message();
  peer.control.socket.destroy();
  (await it.listener.accept()).destroy();
  const { hello } = await meet();
  assert.ok(hello?.fields.certificate);
});

test('peer opens a run that nobody knows: ROUND_START is answered by TRAINING_FAILED', async () => {
  const { peer } = await meet();
  await admit(peer);
  await peer.message();
  const run = new Uint8Array(16).fill(9);
  peer.send('ROUND_START', { run, round: 1, model: new Uint8Array(32), modelBytes: 1n, previous: new Uint8Array(32), secondsLeft: 1 });
  const answer = await peer.message();
  assert.equal(answer?.name, 'TRAINING_FAILED');
  assert.deepEqual(answer?.fields.run, run);
});

test('peer asks for a blob that it may not have: not-found', async () => {
  const { peer } = await meet();
  const bulk = await admit(peer);
  bulk.send({ type: frames.GET, stream: 2, blob: new Uint8Array(32), offset: 0, limit: 10 });
  assert.deepEqual(await bulk.receive(), { type: frames.RESET, stream: 2, code: CODES['not-found'] });
});
