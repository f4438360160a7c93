import type { ConnectedLine } from '../line/connect.ts';
import type { DatagramAsker } from '../line/datagram-asker.ts';
import { dialUdp } from './transports/datagram.ts';

/**
 * A way to ask by datagrams what a service answers so, over UDP and under keys of the line; `undefined` where this login may
 * not. Whether packets get through shows only when something is asked. It ends with the line. Throws `UNREACHABLE` where no
 * way leads there.
 */
export async function openDatagrams({
  line,
  datagrams,
}: Pick<ConnectedLine, 'line' | 'datagrams'>): Promise<DatagramAsker | undefined> {
  if (datagrams === undefined) return undefined;
  const { address, port } = splitAddress(line.peer.address);
  return datagrams.open(await dialUdp(address, datagrams.port === 0 ? port : datagrams.port));
}

/** Of what the transport says who is there: `192.0.2.1:7678`, `[2001:db8::1]:7678`. */
function splitAddress(label: string): { readonly address: string; readonly port: number } {
  const at = label.lastIndexOf(':');
  return { address: label.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(label.slice(at + 1)) };
}
