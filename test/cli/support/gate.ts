import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a server and stops passing on what the server sends after so many bytes. */
export class Gate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number, limitBytes: number): Promise<Gate> {
    const server = createServer();
    const gate = new Gate(server);
    server.on('connection', near => {
      const far = connect(port, '127.0.0.1');
      for (const socket of [near, far]) {
        gate.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far);
      let passed = 0;
      far.on('data', data => {
        near.write(data);
        passed += data.length;
        if (passed >= limitBytes) far.pause();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return gate;
  }

  get url(): string {
    return `postern://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks what is connected. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
