import { ReceiveWindow, SendCredit } from './credit.ts';

/** How urgent what a channel sends is; control frames go before both (docs/protocol/3-channels.md §5). */
export type Priority = 'interactive' | 'bulk';

/** One thing that waits to be framed. */
export type Outgoing =
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'data'; readonly bytes: Uint8Array; sentBytes: number }
  | { readonly kind: 'end' };

/** Everything the multiplexer knows of one channel. Belongs to the multiplexer; others only read. */
export class ChannelState {
  readonly id: number;
  readonly openedBy: 'us' | 'peer';
  /** Changed only by `Multiplexer.setPriority`. */
  priority: Priority;
  /** `ending`: END waits behind what is queued. `ended`: nothing is sent any more, as after RESET. */
  sending: 'open' | 'ending' | 'ended' = 'open';
  receiving: 'open' | 'ended' = 'open';
  /** What is unread on it does not count against the lane; set by `Multiplexer.stepAside`. */
  isAside = false;
  /** What the multiplexer counts of its window then. */
  asideBytes = 0;
  readonly queue: Outgoing[] = [];
  queuedBytes = 0;
  /** DATA bytes alone: what END states. */
  dataBytesSent = 0;
  dataBytesReceived = 0;
  readonly sendCredit: SendCredit;
  readonly receiveWindow: ReceiveWindow;

  constructor(
    id: number,
    openedBy: 'us' | 'peer',
    priority: Priority,
    credit: { readonly sendLimit: number; readonly receiveLimit: number; readonly receiveWindow: number },
  ) {
    this.id = id;
    this.openedBy = openedBy;
    this.priority = priority;
    this.sendCredit = new SendCredit(credit.sendLimit);
    this.receiveWindow = new ReceiveWindow(credit.receiveLimit, credit.receiveWindow);
  }

  /** Flow-controlled bytes that the head of the queue needs at least before it can move. */
  get neededCredit(): number {
    const head = this.queue[0];
    if (head === undefined || head.kind === 'end') return 0;
    return head.kind === 'message' ? head.bytes.length : 1;
  }
}
