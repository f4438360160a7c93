import { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import { type Clock, systemClock } from '../../line/clock.ts';
import type { Route } from '../../line/route.ts';
import { encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { readInteger, readText } from '../../protocol/bytes/json.ts';
import { MAX_TERMINALS, MAX_TERMINALS_PER_DEVICE, SHELL_LAST_WORDS_MS } from '../../protocol/limits.ts';
import type { Service } from '../service.ts';
import {
  attachKind,
  COMMAND_KIND,
  decodeStart,
  type OpenKind,
  SESSION_ID_BYTES,
  SESSION_ID_LENGTH,
  SHELL_KIND,
} from './messages.ts';
import { Session } from './session.ts';
import type { AskingPeer, TerminalRequest, Terminals } from './terminal.ts';

/**
 * The shell service at the host: terminals with the user's shell (`shell`) or with a command (`exec`), which a lost line
 * does not end (docs/protocol/4-services.md §6).
 */
export function shellHost(terminals: Terminals, options: ShellHostOptions): ShellHost {
  const sessions = new Sessions(terminals, options);
  const open = (kind: OpenKind) => ({
    refused: (_: Channel, route: Route) =>
      terminals.refused(askingPeer(kind, route), new LineError('FORBIDDEN', 'not allowed for this login')),
    handle: (channel: Channel, route: Route) => sessions.open(kind, channel, route),
  });
  const attach = (kind: OpenKind) => (channel: Channel, route: Route) => sessions.attach(kind, channel, route);
  return {
    name: 'shell',
    kinds: {
      [SHELL_KIND.open]: { permission: 'shell', ...open(SHELL_KIND.open) },
      [attachKind(SHELL_KIND.open)]: { permission: 'shell', handle: attach(SHELL_KIND.open) },
      [COMMAND_KIND.open]: { permission: 'exec', ...open(COMMAND_KIND.open) },
      [attachKind(COMMAND_KIND.open)]: { permission: 'exec', handle: attach(COMMAND_KIND.open) },
    },
    close: () => sessions.close(),
  };
}

export interface ShellHost extends Service {
  /**
   * Takes no more terminals and hangs up those that there are. Resolves when their processes have ended, and those to whom
   * they are shown have heard of it, for which `SHELL_LAST_WORDS_MS` are given.
   */
  close(): Promise<void>;
}

export interface ShellHostOptions {
  /** Numbers of sessions are drawn from it: who knows one, and has the key of its device, may return to it. */
  readonly randomBytes: (length: number) => Uint8Array;
  readonly clock?: Clock | undefined;
}

class Sessions {
  readonly #terminals: Terminals;
  readonly #options: ShellHostOptions;
  readonly #held = new Map<string, HeldSession>();
  /** Those that are being started have their place already. By device, in base64url. */
  readonly #places = new Map<string, number>();
  readonly #showing = new Set<Channel>();
  #isClosed = false;
  #whenEmpty: (() => void) | undefined;
  #whenUnseen: (() => void) | undefined;

  constructor(terminals: Terminals, options: ShellHostOptions) {
    this.#terminals = terminals;
    this.#options = options;
  }

  async open(kind: OpenKind, channel: Channel, route: Route): Promise<void> {
    const asking = askingPeer(kind, route);
    const device = encodeBase64url(asking.key);
    const message = await channel.readMessage();
    let request: TerminalRequest;
    try {
      request = decodeStart(message, kind);
      this.#takePlace(device);
    } catch (thrown) {
      await this.#terminals.refused(asking, toLineError(thrown));
      throw thrown;
    }
    const id = encodeBase64url(this.#options.randomBytes(SESSION_ID_BYTES));
    let session: Session;
    try {
      const terminal = await this.#terminals.start(request, asking);
      session = new Session(id, terminal, this.#options.clock ?? systemClock, () => {
        this.#held.delete(id);
        this.#leavePlace(device);
      });
    } catch (thrown) {
      this.#leavePlace(device);
      throw thrown;
    }
    this.#held.set(id, { session, kind, device });
    if (this.#isClosed) session.hangUp();
    await this.#show(session, channel, 0);
  }

  async attach(kind: OpenKind, channel: Channel, route: Route): Promise<void> {
    const held = this.#held.get(readText(channel.request, 'session', SESSION_ID_LENGTH));
    const isTheirs = held?.device === encodeBase64url(route.peer.key) && held.kind === kind;
    // Whether another device has it is not told.
    if (held === undefined || !isTheirs || !held.session.isOpen) {
      throw new LineError('NOT_FOUND', 'there is no such session, or not any more');
    }
    await this.#show(held.session, channel, readInteger(channel.request, 'received'));
  }

  async #show(session: Session, channel: Channel, received: number): Promise<void> {
    this.#showing.add(channel);
    try {
      await session.show(channel, received);
    } finally {
      this.#showing.delete(channel);
      if (this.#showing.size === 0) this.#whenUnseen?.();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { session } of this.#held.values()) session.hangUp();
    if (this.#places.size > 0) {
      await new Promise<void>(resolve => {
        this.#whenEmpty = resolve;
      });
    }
    if (this.#showing.size === 0) return;
    await new Promise<void>(resolve => {
      // A channel that nobody reads any more does not hold up the end of the program.
      const timer = (this.#options.clock ?? systemClock).after(SHELL_LAST_WORDS_MS, resolve);
      this.#whenUnseen = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #takePlace(device: string): void {
    if (this.#isClosed) throw new LineError('SHUTDOWN', 'no more terminals are started');
    const ofDevice = this.#places.get(device) ?? 0;
    let all = 0;
    for (const count of this.#places.values()) all += count;
    if (ofDevice >= MAX_TERMINALS_PER_DEVICE || all >= MAX_TERMINALS) {
      throw new LineError('TOO_MANY', 'too many terminals are open there');
    }
    this.#places.set(device, ofDevice + 1);
  }

  #leavePlace(device: string): void {
    const left = this.#places.get(device)! - 1;
    if (left > 0) this.#places.set(device, left);
    else this.#places.delete(device);
    if (this.#places.size === 0) this.#whenEmpty?.();
  }
}

/** `peer` of a line keeps more than is recorded. */
function askingPeer(kind: OpenKind, { peer }: Route): AskingPeer {
  return { kind, key: peer.key, address: peer.address };
}

interface HeldSession {
  readonly session: Session;
  readonly kind: OpenKind;
  readonly device: string;
}
