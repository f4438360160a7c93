/**
 * The entry `./classic`: the programs of two tutorials about sockets, byte for byte on the wire, and what they teach. A
 * wing: it can be deleted, and nothing of the line knows of it (docs/decisions/0024-classic-wing.md). Nothing here is
 * encrypted or authenticated. Experimental: it follows the tutorials, not semantic versioning.
 */
export { type Address, formatAddress } from './address.ts';
export { packNativeInt, unpackNativeInt } from './framing/native-int.ts';
export { bytesLiteral } from './text/bytes-literal.ts';
