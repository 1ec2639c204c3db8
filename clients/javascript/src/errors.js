// Sections 10.3, 11 and 15: what can be wrong, by name.

/** Error codes of CLOSE, RESET and REFUSED (section 10.3), by name. */
export const CODES = Object.freeze({
  normal: 0,
  'shutting-down': 1,
  'duplicate-session': 2,
  'not-admitted': 3,
  'rate-limited': 4,
  'not-found': 5,
  cancelled: 6,
  'handshake-failed': 16,
  'bad-record': 17,
  'key-limit': 18,
  'bad-frame': 19,
  'unexpected-frame': 20,
  'bad-message': 21,
  'credit-exceeded': 22,
  'bad-stream': 23,
  'too-many-streams': 24,
  truncated: 25,
});

const NAMES = new Map(Object.entries(CODES).map(([name, code]) => [code, name]));

/** @param {number} code @returns {string} its name, or the number for a code of a later version */
export const codeName = (code) => NAMES.get(code) ?? `code ${code}`;

/** Every refusal of this client. `code` is a name that scripts and tests may compare. */
export class QrfldError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = 'QrfldError';
    this.code = code;
  }
}

/** @param {unknown} ok @param {string} code @param {string} message @returns {asserts ok} */
export function demand(ok, code, message) {
  if (!ok) throw new QrfldError(code, message);
}
