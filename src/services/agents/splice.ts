import type { LineError } from '../../errors.ts';
import { toLineError } from '../../line/abort.ts';
import type { Channel } from '../../line/channel.ts';

/**
 * Makes two channels of different lines one: what comes on either is sent on the other, its end too, and a RESET with its
 * error. Neither side is read faster than the other takes it, and a side that takes nothing holds back nobody else on the
 * line. Resolves when both are over, and never rejects.
 */
export async function splice(one: Channel, other: Channel): Promise<void> {
  join(one, other);
  join(other, one);
  try {
    await Promise.all([one.passOn(other), other.passOn(one)]);
  } catch (thrown) {
    const error = toLineError(thrown);
    one.reset(error);
    other.reset(error);
  }
}

function join(from: Channel, to: Channel): void {
  from.stepAside();
  from.whenOver((error: LineError | undefined) => {
    if (error !== undefined) to.reset(error);
  });
}
