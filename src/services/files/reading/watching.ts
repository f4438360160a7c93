import { LineError } from '../../../errors.ts';
import { toLineError } from '../../../line/abort.ts';
import type { Channel } from '../../../line/channel.ts';
import { readText } from '../../../protocol/bytes/json.ts';
import { ChangeSignal } from '../change-signal.ts';
import { requestedPath } from '../messages.ts';
import type { ChangeWatch, ReadStore } from '../store.ts';

/** The host's side of `files.watch`: tells of changes until the opener ends or resets the channel. */
export async function sendChanges(store: ReadStore, channel: Channel): Promise<void> {
  const path = requestedPath(channel.request);
  if (store.watch === undefined) throw new LineError('UNSUPPORTED', 'changes are not noticed here');
  const watch = await store.watch(path);
  let isOver = false;
  const end = (): void => {
    isOver = true;
    watch.close();
  };
  channel.read().then(end, end);
  try {
    await channel.send({ t: 'watching' });
    for (;;) {
      await watch.next();
      await channel.send({ t: 'changed' });
    }
  } catch (thrown) {
    if (!isOver) throw thrown;
  } finally {
    watch.close();
  }
}

/** The asking side, over a channel that was just opened; the channel is its own from then on. */
export async function receiveChanges(channel: Channel): Promise<ChangeWatch> {
  try {
    await expectMessage(channel, 'watching');
  } catch (thrown) {
    channel.reset();
    throw thrown;
  }
  const signal = new ChangeSignal();
  const close = (error: LineError): void => {
    signal.fail(error);
    channel.reset();
  };
  // Read at once and however many: who is busy with one change shall not find a queue of them afterwards.
  const listen = async (): Promise<never> => {
    for (;;) {
      await expectMessage(channel, 'changed');
      signal.raise();
    }
  };
  listen().catch((thrown: unknown) => close(toLineError(thrown)));
  return {
    next: () => signal.wait(),
    close: () => close(new LineError('CLOSED', 'the watch is closed already')),
  };
}

async function expectMessage(channel: Channel, type: string): Promise<void> {
  if (readText(await channel.readMessage(), 't', 16) !== type) {
    throw new LineError('PROTOCOL', 'a message that is not due');
  }
}
