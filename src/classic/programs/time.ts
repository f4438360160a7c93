import { LineError } from '../../errors.ts';
import { localZone } from '../../node/index.ts';
import type { Address } from '../address.ts';
import { ANSWER_MS } from '../limits.ts';
import { Datagrams } from '../net/datagrams.ts';
import type { ProgramOptions, ServeOptions } from '../person.ts';
import { decodeText, encodeText } from '../text/encoding.ts';
import { AnswerRate } from '../time/answer-rate.ts';
import { answerTime } from '../time/time-answer.ts';

/** The UDP time server: each datagram is a format, each answer the time in it. Until `signal`. */
export async function serveTime(at: Address, { person, signal, onListening }: ServeOptions): Promise<void> {
  const zone = await localZone();
  const datagrams = await Datagrams.bind(at, signal);
  const rate = new AnswerRate();
  try {
    onListening?.(datagrams.address);
    for (;;) {
      const { bytes, from } = await datagrams.receive();
      // Nobody is told: who asks too often asks for that too.
      if (!rate.take(from.host, performance.now())) continue;
      await person.hear({ text: decodeText(bytes, 'utf-8') });
      const answer = answerTime(bytes, new Date(), zone);
      if ('refused' in answer) person.note(`not answered: ${answer.refused}`);
      // One that cannot be sent is lost, as any other may be.
      else await datagrams.send(answer.bytes, from).catch(() => {});
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    datagrams.close();
  }
}

export interface AskTimeOptions extends ProgramOptions {
  /** Asked once; without it formats are read until there are no more. */
  readonly format?: string | undefined;
}

/** Throws `TIMEOUT` if the one answer is lost or refused, which cannot be told apart. */
export async function askTime(to: Address, { person, signal, format }: AskTimeOptions): Promise<void> {
  const datagrams = await Datagrams.connect(to, signal);
  const askOnce = async (question: string): Promise<void> => {
    // An answer that came too late is no answer to this.
    datagrams.forget();
    await datagrams.send(encodeText(question.trim(), 'utf-8'));
    const { bytes } = await datagrams.receive(ANSWER_MS);
    await person.hear({ text: decodeText(bytes, 'utf-8') });
  };
  try {
    if (format !== undefined) {
      await askOnce(format);
      return;
    }
    for (;;) {
      const question = await person.ask(QUESTION);
      if (question === undefined) return;
      await askOnce(question).catch((thrown: unknown) => {
        if (!(thrown instanceof LineError && thrown.code === 'TIMEOUT')) throw thrown;
        person.note(thrown.message);
      });
    }
  } finally {
    datagrams.close();
  }
}

const QUESTION = '请输入时间格式(例%Y %m %d)>>: ';
