// Section 13.3: `host:port` and `[ipv6]:port`; and the names of members.
import { isIPv6 } from 'node:net';
import { QrfldError, demand } from './errors.js';

/** @param {string} text @returns {{ host: string, port: number }} @throws {QrfldError} `encoding` */
export function parseAddress(text) {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(text);
  demand(found && text.length <= 255, 'encoding', 'an address that is not host:port');
  const [, ipv6, host, digits] = found;
  const port = Number(digits);
  demand(port >= 1 && port <= 65535, 'encoding', `port ${port}`);
  if (ipv6 !== undefined && !isIPv6(ipv6)) throw new QrfldError('encoding', 'an address that is not IPv6');
  return { host: ipv6 ?? host, port };
}

/** Whether a name is one of section 13.3. @param {string} name */
export const isName = (name) => /^[^\p{C}\p{Z}](?:[ ]|[^\p{C}\p{Z}])*$/u.test(name) && !name.endsWith(' ') && [...name].length <= 64;
