import { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';
import { type Clock, systemClock } from '../../line/clock.ts';
import { MAX_PROCESSES, MAX_PROCESSES_PER_DEVICE, PROCESS_KILL_GRACE_MS } from '../../protocol/limits.ts';
import { DevicePlaces } from '../places.ts';
import type { Service } from '../service.ts';
import type { Asker, AuditEnd, AuditEntry, AuditLog, AuditRefusal, AuditStart } from './audit.ts';
import { decodeRun, EXEC_KIND, type ProcessEnd, type StartRequest } from './messages.ts';
import type { ExecPolicy, PermittedStart } from './policy.ts';
import { type ProcessRunner, type RunningProcess, StartFailure } from './runner.ts';
import { endInTime, Serving } from './serving.ts';

/**
 * The accepting side of `exec.run` (docs/protocol/4-services.md §2). One request, in this order:
 *
 *   1. The first message is read, the policy permits it or not, and a place is taken.
 *   2. What shall start, or what was refused, is recorded; nothing starts that is not.
 *   3. The runner starts it, and serving.ts joins it to the channel until one of the two is over.
 *   4. How it ended is recorded.
 */
export class ExecHost {
  /** For `listen`: channels of lines, with the permission `exec`. */
  readonly service: Service;
  readonly #options: ExecHostOptions;
  readonly #clock: Clock;
  readonly #places = new DevicePlaces({
    perDevice: MAX_PROCESSES_PER_DEVICE,
    ofAll: MAX_PROCESSES,
    refusal: 'too many processes run here already',
  });
  readonly #attached = new Set<RunningProcess>();
  #count = 0;
  #isClosed = false;

  constructor(options: ExecHostOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.service = {
      name: 'exec',
      kinds: {
        [EXEC_KIND]: {
          permission: 'exec',
          refused: (_, line) => this.#recordAfterwards({ ...this.#about(line.peer), event: 'refused', ...NOT_ALLOWED }),
          handle: (channel, line) => this.run(channel, line.peer),
        },
      },
    };
  }

  /**
   * Runs the one command of a channel, whoever opened it; that `asker` may is for the caller to know. Returns when the
   * process has ended, or has started with `detach`.
   */
  async run(channel: Channel, asker: Asker): Promise<void> {
    const about = this.#about(asker);
    const message = await channel.readMessage();
    let request: StartRequest | undefined;
    let permitted: PermittedStart;
    let giveBack: () => void;
    try {
      request = decodeRun(message);
      permitted = this.#options.policy.permit(request);
      if (this.#isClosed) throw new LineError('SHUTDOWN', 'the other side is shutting down');
      giveBack = this.#places.take(asker.key);
    } catch (thrown) {
      await this.#recordAfterwards({ ...about, event: 'refused', request, ...toRefusal(thrown) });
      throw thrown;
    }
    const began = this.#clock.now();
    let running: RunningProcess;
    try {
      await this.#recordStart({ ...about, event: 'start', request });
      running = await this.#options.runner.start(permitted);
    } catch (thrown) {
      giveBack();
      if (!(thrown instanceof StartFailure)) {
        await this.#recordAfterwards({ ...about, event: 'refused', request, ...toRefusal(thrown) });
        throw thrown;
      }
      await this.#recordEnd({ ...about, ...NO_BYTES }, { status: thrown.status }, began);
      await channel.send({ t: 'failed', status: thrown.status, reason: thrown.message });
      return;
    }
    void running.ended.then(giveBack);
    if (request.detach) await this.#leave(channel, { ...about, pid: running.pid }, running, request, began);
    else await this.#serve(channel, { ...about, pid: running.pid }, running, request, began);
  }

  /** Starts nothing more and ends what runs, but what was detached. Resolves when it is gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#attached].map(running => running.end(PROCESS_KILL_GRACE_MS)));
  }

  /** Joined to its channel: the process ends with it. */
  async #serve(
    channel: Channel,
    about: About,
    running: RunningProcess,
    request: StartRequest,
    began: number,
  ): Promise<void> {
    this.#attached.add(running);
    // Serving has stopped while it was being started.
    if (this.#isClosed) void running.end(PROCESS_KILL_GRACE_MS);
    const serving = new Serving(channel, running, this.#clock);
    try {
      await serving.run(request.timeoutMs);
    } finally {
      this.#attached.delete(running);
      await this.#recordEnd({ ...about, ...serving.bytes }, await serving.ended, began);
    }
    await serving.finish();
  }

  /** On its own from now on. What ends it is itself, or its time. */
  async #leave(
    channel: Channel,
    about: About,
    running: RunningProcess,
    request: StartRequest,
    began: number,
  ): Promise<void> {
    const ended = endInTime(running, request.timeoutMs, this.#clock);
    void ended.then(end => this.#recordEnd({ ...about, ...NO_BYTES }, end, began));
    await channel.send({ t: 'started', pid: running.pid });
  }

  #about(asker: Asker): About {
    this.#count += 1;
    // `peer` of a line is made anew each time, and keeps more than is recorded.
    return { id: this.#count, kind: EXEC_KIND, asker: { key: asker.key, address: asker.address } };
  }

  /** Why it cannot be recorded is for the owner: it may name files of this machine. */
  async #recordStart(entry: AuditStart): Promise<void> {
    try {
      await this.#options.audit.record(entry);
    } catch (cause) {
      this.#options.onFault?.(cause);
      throw new LineError('REFUSED', 'this cannot be recorded here, so it is not run', { cause });
    }
  }

  async #recordEnd(about: About & Bytes, end: ProcessEnd, began: number): Promise<void> {
    const durationMs = Math.round(this.#clock.now() - began);
    await this.#recordAfterwards({ ...about, event: 'end', end, durationMs });
  }

  /** What is over, or has never run, is not changed by a record that fails. */
  async #recordAfterwards(entry: AuditEntry): Promise<void> {
    await this.#options.audit.record(entry).catch((thrown: unknown) => this.#options.onFault?.(thrown));
  }
}

export interface ExecHostOptions {
  readonly runner: ProcessRunner;
  readonly policy: ExecPolicy;
  readonly audit: AuditLog;
  /** Hears of entries that could not be recorded. */
  readonly onFault?: ((thrown: unknown) => void) | undefined;
  readonly clock?: Clock | undefined;
}

type About = Pick<AuditEnd, 'id' | 'kind' | 'asker' | 'pid'>;
type Bytes = Pick<AuditEnd, 'stdinBytes' | 'stdoutBytes' | 'stderrBytes'>;

function toRefusal(thrown: unknown): Pick<AuditRefusal, 'code' | 'reason'> {
  const { code, message } = toLineError(thrown);
  return { code, reason: message };
}

const NOT_ALLOWED = { code: 'FORBIDDEN', reason: 'not allowed for this login (exec)' } as const;
const NO_BYTES: Bytes = { stdinBytes: 0, stdoutBytes: 0, stderrBytes: 0 };
