import { type AuditEntry, type AuditFields, auditFields } from '../node/index.ts';
import type { CommandContext } from './context.ts';
import { escapeJson, escapeLogLine } from './terminal/escape.ts';
import { formatTimestamp } from './terminal/format.ts';

/** One line an event on stderr; every field comes from outside and is escaped (R-X2). */
export class EventLog {
  readonly #context: CommandContext;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  write(event: string, fields: AuditFields): void {
    if (this.#context.options.quiet) return;
    const time = formatTimestamp(Date.now());
    if (this.#context.options.json) {
      process.stderr.write(`${escapeJson({ type: 'status', event, time, ...fields })}\n`);
    } else {
      const flat = Object.entries(fields).map(([name, value]) => [
        name,
        typeof value === 'object' ? JSON.stringify(value) : value,
      ]);
      process.stderr.write(`${escapeLogLine(event, { time, ...Object.fromEntries(flat) })}\n`);
    }
  }

  fault(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const { message, cause } = error;
    this.write('fault', { reason: cause instanceof Error ? `${message} (${cause.message})` : message });
  }

  /** A process that a peer has started or asked for. */
  audit(entry: AuditEntry): void {
    // The other events of the log are about lines.
    const { event: _, ...fields } = auditFields(entry);
    this.write(`exec-${entry.event}`, fields);
  }
}
