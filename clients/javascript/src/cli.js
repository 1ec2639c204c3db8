// The command line: join, id, run.
import { parseArgs } from 'node:util';
import { isName } from './addresses.js';
import { hex, unhex } from './bytes.js';
import { demand, QrfldError } from './errors.js';
import { Files } from './files.js';
import { nodeText } from './identity.js';
import { join, Member } from './member.js';
import { DIGITS, makeDigits, readSamples } from './digits.js';
import { KEY_LIMITS } from './records.js';
import { parseToken } from './tokens.js';

export const USAGE = `A member of a qrfld federation.

  qrfld-js join TOKEN --name NAME --home DIR     redeem a token ("-" reads it from standard input)
  qrfld-js id --home DIR                         show the node ID
  qrfld-js run --home DIR --data FILE --task digits=DIGEST [--once] [--json]
                                                 keep sessions and take part in runs

  --data FILE         this node's samples (README.md says how to export them)
  --task NAME=DIGEST  this node trains NAME, and DIGEST (64 hex digits) is the digest of the Python
                      task that you have read and hold this client's training to be equal to
  --once              end when a run has ended; exit code 0 if it finished
  --rekey-records N   send KEY_UPDATE at the latest after N records (4 to 16777216, the default)
  --json              one JSON object a line instead of text
`;

const OPTIONS = /** @type {const} */ ({
  home: { type: 'string' },
  name: { type: 'string' },
  data: { type: 'string' },
  task: { type: 'string' },
  'rekey-records': { type: 'string', default: String(KEY_LIMITS.records) },
  once: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
});

/** Text of strangers as it may be shown: control and format characters escaped. @param {string} text */
const harmless = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (point) => `\\u{${/** @type {number} */ (point.codePointAt(0)).toString(16)}}`);

/** @param {string | undefined} value @param {string} name @returns {string} */
function required(value, name) {
  demand(value, 'usage', `${name} is missing; qrfld-js --help`);
  return value;
}

/** @returns {Promise<string>} standard input's first line, of at most 4,096 characters */
async function firstLine() {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.includes('\n') || text.length > 4096) break;
  }
  return text.split('\n')[0];
}

/** @param {any} values @param {string[]} positionals */
async function runJoin(values, [given]) {
  const name = required(values.name, '--name');
  demand(isName(name), 'usage', 'a name has 1 to 64 characters, no control characters, no space at its ends');
  const token = parseToken(required(given, 'the token') === '-' ? await firstLine() : given);
  const { identity, genesis } = await join(token, name, new Files(required(values.home, '--home')));
  print(values, { event: 'joined', node: nodeText(identity.id), federation: genesis.body.name });
  return 0;
}

/** @param {any} values */
async function runId(values) {
  const { identity, genesis } = new Files(required(values.home, '--home')).membership();
  print(values, { event: 'id', node: nodeText(identity.id), federation: genesis.body.name });
  return 0;
}

/** @param {any} values @param {object} event */
function print(values, event) {
  if (values.json) console.log(JSON.stringify(event));
  else console.log(Object.entries(event).map(([key, value]) => (key === 'event' ? value : `${key}=${harmless(String(value))}`)).join('  '));
}

/** @param {string} option NAME=DIGEST */
function taskOf(option) {
  const [, name, digest] = /^([^=]+)=([0-9a-f]{64})$/.exec(option) ?? [];
  demand(name, 'usage', '--task is NAME=DIGEST, the digest in 64 hex digits');
  demand(name === DIGITS, 'usage', `this client can train ${DIGITS} only`);
  return unhex(digest);
}

/** @param {any} values */
async function runMember(values) {
  const files = new Files(required(values.home, '--home'));
  const digest = taskOf(required(values.task, '--task'));
  const records = Number(values['rekey-records']);
  demand(Number.isInteger(records) && records >= 4 && records <= KEY_LIMITS.records, 'usage', '--rekey-records is 4 to 16777216');
  const samples = readSamples(required(values.data, '--data'));
  console.error(`warning: nobody checks that this client's ${DIGITS} is the Python task with the digest ${hex(digest).slice(0, 12)}…; --task says that you did`);
  let exitCode = 0;
  const member = new Member(files.membership(), files, {
    tasks: [makeDigits(digest, samples)],
    session: { limits: { ...KEY_LIMITS, records } },
    report(event) {
      print(values, event);
      if (event.event !== 'end' || !values.once) return;
      exitCode = event.state === 'finished' ? 0 : 1;
      member.stop();
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => member.stop());
  await member.live();
  return exitCode;
}

const COMMANDS = { join: runJoin, id: runId, run: runMember };

/** @param {string[]} argv @returns {Promise<number>} exit code: 0 ok, 1 failure, 2 usage */
export async function main(argv) {
  try {
    const { values, positionals } = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
    const [command, ...rest] = positionals;
    if (values.help || !command) {
      console.log(USAGE);
      return values.help ? 0 : 2;
    }
    demand(Object.hasOwn(COMMANDS, command), 'usage', `there is no command ${command}; qrfld-js --help`);
    return await COMMANDS[/** @type {keyof typeof COMMANDS} */ (command)](values, rest);
  } catch (error) {
    const { code = 'internal', message } = /** @type {any} */ (error);
    console.error(`error: ${harmless(message)} [${code}]`);
    if (!(error instanceof QrfldError) && !String(code).startsWith('ERR_PARSE_ARGS')) throw error;
    return code === 'usage' || String(code).startsWith('ERR_PARSE_ARGS') ? 2 : 1;
  }
}
