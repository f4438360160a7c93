import { afterEach, describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { MemoryHistory } from '../../../src/services/chat/memory-history.ts';
import { listRooms } from '../../../src/services/chat/reading.ts';
import { code } from '../files/served.ts';
import { ChatScene, makeRoom, NOW_MS, type SceneOptions } from './scene.ts';

const scenes: ChatScene[] = [];

afterEach(async () => {
  await Promise.all(scenes.splice(0).map(scene => scene.end()));
});

async function open(options: SceneOptions = {}): Promise<ChatScene> {
  const scene = await ChatScene.open(options);
  scenes.push(scene);
  return scene;
}

describe('a room', () => {
  it('tells everybody in it what is said, the sender too, and who comes and goes', async () => {
    const scene = await open();
    const anna = (await scene.person('Anna')).listen();
    const bert = (await scene.person('bert')).listen();
    const stored = await anna.room.send('hello');
    expect(stored).toEqual({ id: 1, timeMs: NOW_MS });
    await bert.room.send('waves', { action: true });
    await bert.until(({ texts }) => texts.length === 2);
    await bert.room.leave();
    await anna.until(({ lines }) => lines.includes('left bert'));
    expect(anna.lines).toEqual(['came bert', 'hello', 'waves', 'left bert']);
    expect(bert.lines).toEqual(['hello', 'waves']);
    expect(bert.told[0]).toEqual({
      type: 'message',
      isOld: false,
      message: {
        id: 1,
        timeMs: NOW_MS,
        from: 'Anna',
        device: anna.staticKey.publicKey,
        kind: 'text',
        text: 'hello',
        to: undefined,
        file: undefined,
      },
    });
    expect(bert.messages[1]!.kind).toBe('action');
  });

  it('tells its owner once that the disk takes nothing more, and anew after it has', async () => {
    const faults: unknown[] = [];
    const history = new MemoryHistory();
    const store = history.append.bind(history);
    const full = new LineError('NO_SPACE', 'no room');
    const scene = await open({ history, onFault: thrown => faults.push(thrown) });
    const { room } = await scene.person('anna');
    for (const count of [1, 2]) {
      history.append = () => Promise.reject(full);
      await expect(room.send('lost')).rejects.toMatchObject(full);
      await expect(room.send('lost')).rejects.toMatchObject(full);
      expect(faults).toEqual(Array(count).fill(full));
      history.append = store;
      await room.send('kept');
    }
  });

  it('keeps rooms apart, by names in one form', async () => {
    const scene = await open();
    const anna = (await scene.person('anna', { room: 'Straße' })).listen();
    const bert = (await scene.person('bert', { room: 'STRASSE' })).listen();
    const carl = (await scene.person('carl', { room: 'straße' })).listen();
    await bert.room.send('elsewhere');
    await carl.room.send('here');
    await anna.until(({ texts }) => texts.length === 1);
    expect(anna.lines).toEqual(['came carl', 'here']);
    expect((await listRooms(anna.line)).map(({ room, count, lastId }) => [room, count, lastId])).toEqual([
      ['strasse', 1, 1],
      ['straße', 2, 2],
    ]);
  });

  it('gives who joins the last messages first, and tells who is there', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    for (let n = 1; n <= 60; n += 1) await anna.room.send(`old ${n}`);
    const { line } = await scene.dial();
    const room = makeRoom({ room: 'lobby', name: 'bert', last: 3 });
    expect(await room.attach(line)).toEqual({
      name: 'bert',
      head: 60,
      seen: undefined,
      members: ['anna', 'bert'],
      count: 2,
    });
    await anna.room.send('new');
    const told: string[] = [];
    for await (const event of room) {
      if (event.type === 'message') told.push(`${event.message.text} ${event.isOld}`);
      if (told.length === 4) break;
    }
    expect(told).toEqual(['old 58 true', 'old 59 true', 'old 60 true', 'new false']);
  });

  it('has a name for the device that took it first, as long as it is remembered', async () => {
    const scene = await open();
    const anna = await scene.person('Anna');
    await expect(scene.person('ANNA')).rejects.toEqual(code('EXISTS'));
    await anna.room.leave();
    await expect(scene.person('ａnna')).rejects.toEqual(code('EXISTS'));
    const again = await scene.person('anna', { staticKey: anna.staticKey });
    const second = await scene.person('anna', { staticKey: anna.staticKey });
    expect((await second.room.who()).map(({ name }) => name)).toEqual(['anna']);
    const watcher = (await scene.person('bert')).listen();
    await again.room.leave();
    await second.room.rename('Anne');
    await watcher.until(({ lines }) => lines.length === 1);
    expect(watcher.lines).toEqual(['renamed anna Anne']);
    expect(second.room.name).toBe('Anne');
    await expect(watcher.room.rename('anna')).rejects.toEqual(code('EXISTS'));
    await expect(watcher.room.rename('\u202eanna')).rejects.toEqual(code('BAD_NAME'));
  });

  it('lets go of the name that a device used longest ago, but of none that is in use', async () => {
    const scene = await open();
    const first = await scene.person('name1');
    const { staticKey } = first;
    for (let n = 2; n <= 9; n += 1) await (await scene.person(`name${n}`, { staticKey })).room.leave();
    await expect(scene.person('name1')).rejects.toEqual(code('EXISTS'));
    await expect(scene.person('name3')).rejects.toEqual(code('EXISTS'));
    await scene.person('name2');
  });

  it('tells who has seen what', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const { id } = await anna.room.send('hello');
    anna.room.seen(id);
    await anna.room.leave();
    const again = await scene.person('anna', { staticKey: anna.staticKey });
    expect((await again.room.who())[0]).toEqual({
      name: 'anna',
      device: anna.staticKey.publicKey,
      sinceMs: NOW_MS,
      seen: id,
    });
  });

  it('finds messages by their words', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    for (const text of ['The Quick brown fox', 'quick and dirty', '今天天气很好', 'Crème brûlée']) {
      await anna.room.send(text);
    }
    const found = async (words: string) => {
      const texts: string[] = [];
      for await (const { text } of anna.room.search(words)) texts.push(text);
      return texts;
    };
    expect(await found('quick')).toEqual(['The Quick brown fox', 'quick and dirty']);
    expect(await found('fox QUICK')).toEqual(['The Quick brown fox']);
    expect(await found('天气')).toEqual(['今天天气很好']);
    expect(await found('气天')).toEqual([]);
    expect(await found('creme')).toEqual(['Crème brûlée']);
    expect(await found('" OR * NEAR(')).toEqual([]);
  });
});

describe('a private message', () => {
  it('is read by the two devices in every room, and by nobody else', async () => {
    const scene = await open();
    const anna = (await scene.person('anna')).listen();
    const bert = (await scene.person('bert', { room: 'attic' })).listen();
    const carl = (await scene.person('carl')).listen();
    await anna.room.send('psst', { to: 'Bert' });
    await anna.room.send('aloud');
    await expect(anna.room.send('psst', { to: 'nobody' })).rejects.toEqual(code('NOT_FOUND'));
    await bert.until(({ texts }) => texts.length === 1);
    await carl.until(({ texts }) => texts.length === 1);
    await anna.until(({ texts }) => texts.length === 2);
    expect(bert.messages[0]).toMatchObject({ from: 'anna', to: 'bert', text: 'psst' });
    expect(carl.texts).toEqual(['aloud']);
    expect(anna.texts).toEqual(['psst', 'aloud']);
    const texts = async (messages: AsyncIterable<{ text: string }>) => {
      const all: string[] = [];
      for await (const { text } of messages) all.push(text);
      return all;
    };
    expect(await texts(carl.room.history())).toEqual(['aloud']);
    expect(await texts(carl.room.search('psst'))).toEqual([]);
    expect(await texts(bert.room.history())).toEqual(['psst']);
    expect(await texts(bert.room.search('psst'))).toEqual(['psst']);
    expect(await texts(anna.room.history())).toEqual(['psst', 'aloud']);
  });

  it('that came while its reader was in no room comes when that one returns', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = (await scene.person('bert')).listen();
    const carl = await scene.person('carl');
    await bert.cut();
    await anna.room.send('one');
    await anna.room.send('two', { to: 'bert' });
    await carl.room.send('three');
    await bert.return(scene);
    await anna.room.send('four');
    await bert.until(({ texts }) => texts.length === 4);
    expect(bert.texts).toEqual(['one', 'two', 'three', 'four']);
  });

  it('that was said in another room meanwhile comes too, when its reader returns to a room that others have stayed in', async () => {
    const scene = await open();
    const anna = await scene.person('anna', { room: 'attic' });
    const bert = (await scene.person('bert')).listen();
    const carl = await scene.person('carl');
    await bert.cut();
    await carl.room.send('one');
    await anna.room.send('two', { to: 'bert' });
    await carl.room.send('three');
    await bert.return(scene);
    await carl.room.send('four');
    await bert.until(({ texts }) => texts.length === 4);
    expect(bert.texts).toEqual(['one', 'two', 'three', 'four']);
  });
});

describe('a lost line', () => {
  it('is followed by another one, over which all that was missed comes once', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = (await scene.person('bert')).listen();
    await anna.room.send('one');
    await bert.until(({ texts }) => texts.length === 1);
    await bert.cut();
    await anna.room.send('two');
    await anna.room.send('three');
    await bert.return(scene);
    await anna.room.send('four');
    await bert.until(({ texts }) => texts.length === 4);
    expect(bert.texts).toEqual(['one', 'two', 'three', 'four']);
    expect(bert.told.map(event => event.type === 'message' && event.isOld)).toEqual([false, true, true, false]);
  });

  it('loses nothing when the whole server was gone, and doubles nothing', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = (await scene.person('bert')).listen();
    await anna.room.send('one');
    const gone = [anna.room.detached, bert.room.detached];
    const waiting = anna.room.send('two');
    await scene.restart();
    await Promise.all(gone);
    const late = anna.room.send('three');
    await anna.return(scene);
    await bert.return(scene);
    expect((await waiting).id).toBeLessThan((await late).id);
    await bert.until(({ texts }) => texts.length === 3);
    expect(bert.texts).toEqual(['one', 'two', 'three']);
  });

  it('is not followed by another one when the room is left meanwhile', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = await scene.person('bert');
    const { line } = await scene.dial(anna.staticKey);
    const attaching = anna.room.attach(line);
    await Promise.all([expect(attaching).rejects.toEqual(code('CLOSED')), anna.room.leave()]);
    expect((await bert.room.who()).map(({ name }) => name)).toEqual(['bert']);
  });

  it('to a server that has forgotten everything has what is seen there seen anew', async () => {
    const old = await open();
    const anna = (await old.person('anna')).listen();
    const bert = await old.person('bert');
    for (const text of ['one', 'two']) await bert.room.send(text);
    anna.room.seen(2);
    await anna.cut();
    const anew = await open();
    const carl = await anew.person('carl');
    await anna.return(anew);
    const { id } = await carl.room.send('first');
    anna.room.seen(id);
    await anna.room.leave();
    const again = makeRoom({ room: 'lobby', name: 'anna' });
    expect((await again.attach((await anew.dial(anna.staticKey)).line)).seen).toBe(id);
  });

  it('keeps what was not acknowledged until `leave`, which tells', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    await anna.cut();
    const waiting = anna.room.send('lost');
    waiting.catch(() => {});
    await anna.room.leave();
    await expect(waiting).rejects.toEqual(code('CANCELLED'));
    await expect(anna.room.send('more')).rejects.toEqual(code('CLOSED'));
    expect(await anna.room.detached).toEqual(code('TRUNCATED'));
  });
});
