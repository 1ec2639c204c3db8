// What a program may use; the command line in `cli.js` is one.
export { QrfldError } from './errors.js';
export { Files } from './files.js';
export { makeDigits, readSamples } from './digits.js';
export { join, Member } from './member.js';
export { parseToken } from './tokens.js';
export { nodeText, parseNodeText } from './identity.js';
