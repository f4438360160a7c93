import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import {
  type AgentEntry,
  type AuditEntry,
  AuthorizedKeys,
  type ChatHost,
  type ChatKeep,
  type CommandService,
  DEFAULT_PORT,
  fingerprint,
  type Line,
  LineError,
  listen,
  nodeCrypto,
  offeredPermissions,
  type PairingAsked,
  type Permission,
  publicKeyText,
  type RejectedLogin,
  type Server,
  type Service,
  type ShellHost,
  serveAgents,
  serveChat,
  serveCommands,
  serveFolder,
  serveTerminals,
  serveTime,
  thisInstall,
} from '../../node/index.ts';
import { parseByteSize } from '../byte-size.ts';
import { parseKeep } from '../chat-keep.ts';
import type { CommandContext } from '../context.ts';
import { EventLog } from '../event-log.ts';
import { generatePassphrase, judgePassphrase, type Passphrase } from '../passphrase.ts';
import { parsePermissions } from '../permissions.ts';
import { formatUrl } from '../place.ts';
import { parsePort } from '../port.ts';
import { findPassphrase } from '../secrets.ts';
import { escapeText } from '../terminal/escape.ts';
import { AGENT } from '../version.ts';

export interface ServeOptions {
  readonly listen?: string;
  readonly port?: number;
  readonly allow: string;
  readonly passwordFile?: string;
  readonly chatKeep?: string;
  readonly chatFiles?: string;
  readonly pair?: boolean;
  /** `false` under `--no-devices`. */
  readonly devices?: boolean;
}

/** Serves a folder until it is told to stop. */
export async function serve(context: CommandContext, directory: string, options: ServeOptions): Promise<void> {
  context.doing = `cannot serve ${directory}`;
  const allow = parsePermissions(options.allow);
  const { host, port } = parseListen(options);
  const keep = options.chatKeep === undefined ? undefined : parseKeep(options.chatKeep);
  const filesBytes = options.chatFiles === undefined ? undefined : parseByteSize(options.chatFiles, '--chat-files');
  const passphrase = await choosePassphrase(context, options);
  const install = thisInstall();
  const log = new ServeLog(context);
  const devices = options.devices === false ? undefined : await openDevices(context, log);
  const folder = await openFolder(context, directory, allow);
  const commands = allow.includes('exec') ? await openCommands(directory, log) : undefined;
  const hasTerminals = allow.includes('shell') || allow.includes('exec');
  const terminals = hasTerminals ? await openTerminals(directory, log) : undefined;
  const agents = allow.includes('agents') ? serveAgents({ onAgent: log.agent.bind(log) }) : undefined;
  const time = allow.includes('time') ? await serveTime() : undefined;
  const chat = allow.includes('chat') ? openChat(directory, log, { keep, filesBytes }) : undefined;
  const services = [folder, commands, terminals, agents, time, chat].filter(service => service !== undefined);
  const server = await listen({
    host,
    port,
    passphrase: [passphrase],
    services,
    allow,
    install,
    agent: AGENT,
    devices: devices && { list: devices, isPairing: options.pair },
    onLine: line => log.line(line),
    onPairing: asked => log.pairing(asked),
    onRejected: rejected => log.rejected(rejected),
    onFault: thrown => log.fault(thrown),
    onDatagramsFailed: error => log.noDatagrams(error),
  }).catch((thrown: unknown) => {
    if (isPortInUse(thrown))
      context.hint = 'another program listens there: choose another port, or --listen 0 for any free one';
    throw thrown;
  });
  const hostKey = (await install.hostKey()).publicKey;
  if (context.options.json) {
    await context.printJson({
      type: 'ready',
      address: server.address,
      port: server.port,
      key: publicKeyText(hostKey),
      fingerprint: fingerprint(hostKey),
      allow,
      devices: devices?.devices.length ?? 0,
    });
    // Shown to people only: where it was drawn here nobody else knows it, and JSON goes into logs.
    if (passphrase.generated) process.stderr.write(`passphrase: ${passphrase.text}\n`);
  } else {
    announce(context, server, {
      directory: resolve(directory),
      offered: offeredPermissions(services, allow),
      passphrase,
      isPairing: options.pair === true,
    });
    tellOfDevices(context, devices?.devices.length ?? 0);
  }
  context.whenAsked(() => process.stderr.write(`serving ${server.connectionCount} connections\n`));
  await untilStopped(context.signal);
  await Promise.all([server.close(), commands?.close(), terminals?.close(), chat?.close()]);
}

function announce(
  context: CommandContext,
  server: Server,
  { directory, offered, passphrase, isPairing }: Announced,
): void {
  const { colors } = context.stderr;
  context.note(`serving ${escapeText(directory)}, ${summarise(offered)}, on port ${server.port}`);
  // Even under -q: nobody else knows it.
  if (passphrase.generated) process.stderr.write(`passphrase: ${colors.bold(passphrase.text)}\n`);
  const isLocal = /^(?:127\.|::1$)/.test(server.address);
  const host = /^(?:::|0\.0\.0\.0)$/.test(server.address) ? ownAddress() : server.address;
  const url = formatUrl({ host, port: server.port, path: '', trailingSlash: true });
  const where = `on ${isLocal ? 'this' : 'the other'} machine:  postern`;
  if (offered.includes('read')) context.note(`${where} get ${url}FILE`);
  if (offered.includes('write')) context.note(`${where} put FILE ${url}`);
  if (offered.includes('exec')) context.note(`${where} exec ${url} -- CMD`);
  if (offered.includes('shell')) context.note(`${where} shell ${url}`);
  if (offered.includes('chat')) context.note(`${where} chat ${url}`);
  if (offered.includes('agents')) context.note(`${where} agent ${url}, and from a third: postern agents ${url}`);
  if (!['read', 'write', 'exec', 'shell', 'chat', 'agents'].some(name => offered.includes(name as Permission)))
    context.note(`${where} may ${url}`);
  if (isPairing) context.note(`${where} pair ${url}, and it needs no passphrase from then on`);
}

interface Announced {
  readonly directory: string;
  readonly offered: readonly Permission[];
  readonly passphrase: Passphrase;
  /** Whoever logs in may have his machine let in by its key. */
  readonly isPairing: boolean;
}

/** Who is let in besides those who know the passphrase; an owner who has forgotten them shall not be surprised. */
function tellOfDevices(context: CommandContext, count: number): void {
  if (count === 0) return;
  const machines = count === 1 ? '1 machine needs' : `${count} machines need`;
  context.note(`${machines} no passphrase: see postern devices, or serve with --no-devices`);
}

/** What the files, and the machine behind them, are open to. */
function summarise(offered: readonly Permission[]): string {
  const powers = offered.filter(name => name !== 'chat' && name !== 'time');
  if (powers.length === 0) return 'no files';
  if (powers.join() === 'read') return 'read only';
  const commands =
    powers.includes('exec') || powers.includes('shell') ? ': whoever logs in can run commands as you' : '';
  return `allowing ${powers.join(', ')}${commands}`;
}

/** What happens on lines, as it happens. */
class ServeLog {
  readonly #log: EventLog;

  constructor(context: CommandContext) {
    this.#log = new EventLog(context);
  }

  line(line: Line): void {
    const { address, agent, key } = line.peer;
    this.#log.write('login', { address, agent, device: fingerprint(key), name: line.device?.name });
    void line.closed.then(error => this.#log.write('leave', { address, error: error?.code }));
  }

  rejected({ address, error, usedUpCode }: RejectedLogin): void {
    const { code, message } = error;
    this.#log.write('refused', { address, code, reason: message, used_up_code: usedUpCode || undefined });
  }

  /** Somebody has asked to need no passphrase from now on. */
  pairing({ address, device, error }: PairingAsked): void {
    if (device === undefined) this.#log.write('pair-refused', { address, code: error?.code, reason: error?.message });
    else
      this.#log.write('paired', { address, name: device.name, device: fingerprint(device.key), allow: device.allow });
  }

  /** Everything is served all the same; questions come over lines. */
  noDatagrams({ code, message }: LineError): void {
    this.#log.write('no-udp', { code, reason: message });
  }

  fault(thrown: unknown): void {
    this.#log.fault(thrown);
  }

  /** A process that a peer has started or asked for; the same is kept in the audit file. */
  audit(entry: AuditEntry): void {
    this.#log.audit(entry);
  }

  /** Nothing that is said is kept beyond this run. */
  chatInMemory({ code, message }: LineError): void {
    this.#log.write('chat-in-memory', { code, reason: message });
  }

  agent(event: 'joined' | 'left', { name, device }: AgentEntry): void {
    this.#log.write(`agent-${event}`, { name, device: fingerprint(device) });
  }
}

async function openDevices(context: CommandContext, log: ServeLog): Promise<AuthorizedKeys> {
  const devices = await AuthorizedKeys.open({ onFault: thrown => log.fault(thrown) });
  for (const { number, problem } of devices.unread) {
    context.note(escapeText(`line ${number} of ${devices.path} ${problem}: it lets nobody in`));
  }
  return devices;
}

async function openFolder(context: CommandContext, directory: string, allow: readonly Permission[]): Promise<Service> {
  try {
    return await serveFolder(directory, allow);
  } catch (thrown) {
    context.hint = 'name a folder of this machine';
    throw thrown;
  }
}

function openTerminals(directory: string, log: ServeLog): Promise<ShellHost> {
  return serveTerminals(directory, {
    onAudit: entry => log.audit(entry),
    onFault: thrown => log.fault(thrown),
  });
}

function openCommands(directory: string, log: ServeLog): Promise<CommandService> {
  return serveCommands(directory, {
    onAudit: entry => log.audit(entry),
    onFault: thrown => log.fault(thrown),
  });
}

function openChat(
  directory: string,
  log: ServeLog,
  kept: { readonly keep: ChatKeep | undefined; readonly filesBytes: number | undefined },
): ChatHost {
  return serveChat(directory, {
    ...kept,
    onMemory: error => log.chatInMemory(error),
    onFault: thrown => log.fault(thrown),
  });
}

/** The library says `ACCESS`, as for a port that takes more rights. */
function isPortInUse(thrown: unknown): boolean {
  return (
    thrown instanceof LineError &&
    thrown.cause instanceof Error &&
    'code' in thrown.cause &&
    thrown.cause.code === 'EADDRINUSE'
  );
}

async function choosePassphrase(context: CommandContext, options: ServeOptions): Promise<Passphrase> {
  const found = await findPassphrase({
    passwordFile: options.passwordFile,
    fromEnvironment: context.passphraseFromEnvironment,
  });
  if (found === undefined) return generatePassphrase(length => nodeCrypto.randomBytes(length));
  const { refused } = await judgePassphrase(found);
  if (refused !== undefined) {
    context.hint = 'leave it out and one is drawn, or take four words that have nothing to do with each other';
    throw new LineError('USAGE', `this passphrase would soon be guessed: ${refused}`);
  }
  return found;
}

/** `ADDR:PORT`, `[::1]:PORT`, `:PORT` or `PORT`; port 0 is any free one. */
function parseListen(options: ServeOptions): { host: string | undefined; port: number } {
  const port = options.port ?? DEFAULT_PORT;
  if (options.listen === undefined) return { host: undefined, port };
  const parts = /^(?:(\[[^\]]+\]|[^:[\]]*):)?(\d{1,5})$/.exec(options.listen);
  if (parts === null) throw new LineError('USAGE', '--listen takes ADDR:PORT, with an IPv6 address in brackets');
  const host = parts[1]?.replace(/^\[|\]$/g, '');
  return { host: host === '' || host === '*' ? undefined : host, port: parts[2] === '0' ? 0 : parsePort(parts[2]!) };
}

/** The address that another machine would use, as far as this one can tell. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flat();
  const outward = all.find(address => address?.family === 'IPv4' && !address.internal);
  return outward?.address ?? 'localhost';
}

function untilStopped(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
