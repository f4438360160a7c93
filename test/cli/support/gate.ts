import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Which way is counted and stopped: what the server sends, or what the client sends. */
export type Direction = 'down' | 'up';

/** Stands between a client and a server and stops passing on what one of them sends after so many bytes. */
export class Gate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port: number;
  readonly #direction: Direction;
  #limitBytes: number;
  /** What has come the counted way on each connection, in their order. */
  readonly passed: number[] = [];

  private constructor(server: Server, port: number, limitBytes: number, direction: Direction) {
    this.#server = server;
    this.#port = port;
    this.#limitBytes = limitBytes;
    this.#direction = direction;
    server.on('connection', near => this.#connect(near));
  }

  static async open(port: number, limitBytes: number, direction: Direction = 'down'): Promise<Gate> {
    const gate = new Gate(createServer(), port, limitBytes, direction);
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get url(): string {
    return `postern://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections from now on pass everything. */
  lift(): void {
    this.#limitBytes = Number.POSITIVE_INFINITY;
  }

  /** Connections from now on lead to another server. */
  redirect(port: number): void {
    this.#port = port;
  }

  /** Breaks what is connected. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #connect(near: Socket): void {
    const far = connect(this.#port, '127.0.0.1');
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    const [from, to] = this.#direction === 'down' ? [far, near] : [near, far];
    to.pipe(from);
    const at = this.passed.push(0) - 1;
    const limitBytes = this.#limitBytes;
    from.on('data', data => {
      to.write(data);
      this.passed[at]! += data.length;
      if (this.passed[at]! >= limitBytes) from.pause();
    });
  }
}
