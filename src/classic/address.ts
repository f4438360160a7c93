/** Where a program listens, or whom it calls. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:8888`, with an IPv6 address in brackets. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
