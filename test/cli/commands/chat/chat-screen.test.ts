import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ChatScene } from '../../support/chat.ts';
import { MAIN } from '../../support/command.ts';
import { InTerminal } from '../../support/terminal.ts';

const LEFT = '\u001b[D';
const UP = '\u001b[A';
const PASTE = (text: string) => `\u001b[200~${text}\u001b[201~`;

const isInstalled = (name: string) => spawnSync('which', [name]).status === 0;

describe('postern chat in a terminal', () => {
  it('shows what was said last, who is there, and what is said now', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    await bob.send('before you came');
    const terminal = await scene.talk('ann');
    await terminal.until(
      /^— lobby, as ann —\nalso here: bob\n— \d{4}-\d\d-\d\d —\n\d\d:\d\d bob: before you came\nlobby>$/m,
    );
    await bob.send('hello');
    await terminal.until(/^\d\d:\d\d bob: hello\nlobby>$/m);
    terminal.type('hello yourself\r');
    await terminal.until(/^\d\d:\d\d bob: hello\n\d\d:\d\d ann: hello yourself\nlobby>$/m);
    await bob.send('shrugs', { action: true });
    await terminal.until(/^\d\d:\d\d \* bob shrugs$/m);
    await bob.rename('robert');
    await terminal.until(/^\d\d:\d\d bob is now robert$/m);
    await bob.leave();
    await terminal.until(/^\d\d:\d\d robert left$/m);
    await scene.join('你好');
    await terminal.until(/^\d\d:\d\d 你好 came\nlobby>$/m);
    terminal.type('bye\r');
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toMatch(/你好 came$/);
  });

  it('never tears what is typed by what arrives', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    const terminal = await scene.talk('ann', { columns: 60, rows: 12 });
    const text = '你好，世界 — and some more words, 👩‍👩‍👧 too';
    for (const [at, character] of Array.from(new Intl.Segmenter().segment(text)).entries()) {
      terminal.type(character.segment);
      if (at % 4 === 0) await bob.send(`message ${at}`);
    }
    await terminal.until(/bob: message 32\nlobby> 你好，世界 — and some more words, .* too$/m);
    terminal.type('\r');
    await terminal.until(/ann: 你好，世界 — and some more words, .* too\nlobby>$/m);
    expect(await said(scene, bob)).toContain(text);
  });

  it('sends what was edited, as it was edited', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    const terminal = await scene.talk('ann');
    terminal.type(`world${LEFT}${LEFT}${LEFT}${LEFT}${LEFT}hello \u0005!\r`);
    await terminal.until(/ann: hello world!$/m);
    terminal.type(`${UP}\u0017there\r`);
    await terminal.until(/ann: hello there$/m);
    // Byte by byte, in the middle of characters and of sequences.
    for (const byte of Buffer.from(`ü${LEFT}你\r`)) terminal.typeBytes(Uint8Array.of(byte));
    await terminal.until(/ann: 你ü$/m);
    expect(await said(scene, bob)).toEqual(['hello world!', 'hello there', '你ü']);
  });

  it('makes one message of a paste of many lines', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    const terminal = await scene.talk('ann');
    terminal.type(PASTE('one\r\n\ttwo\rthree'));
    await terminal.until(/^lobby> one\n {11}two\n {7}three$/m);
    terminal.type('\u001b\rfour\r');
    await terminal.until(/^\d\d:\d\d ann: one\n {15}two\n {11}three\n {11}four\nlobby>$/m);
    expect(await said(scene, bob)).toEqual(['one\n\ttwo\nthree\nfour']);
  });

  it('works in a narrow window, and follows its size', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    const terminal = await scene.talk('ann', { columns: 20, rows: 8 });
    terminal.type('0123456789 0123456789');
    await terminal.until(/^lobby> 0123456789 0\n {7}123456789$/m);
    await bob.send('a message that is wider than the window');
    await terminal.until(/that is wider than ?\nthe window\nlobby> 0123456789 0\n {7}123456789$/m);
    terminal.resize(70, 10);
    await terminal.until(/^\d\d:\d\d bob: a message that is wider than the window\nlobby> 0123456789 0123456789$/m);
    await bob.send('another');
    await terminal.until(/bob: another\nlobby> 0123456789 0123456789$/m);
    terminal.resize(20, 6);
    await terminal.until(/bob: another\nlobby> 0123456789 0\n {7}123456789$/m);
    terminal.type('\r');
    await terminal.until(/ann: 012345678\n9 0123456789\nlobby>$/m);
  });

  it('clears a line with Ctrl-C, and leaves on an empty one with it, with Ctrl-D, /quit and bye', async () => {
    const scene = await ChatScene.start();
    const home = await scene.home();
    for (const keys of ['\u0003', '\u0004', '/quit\r', ' bye \r']) {
      const terminal = await scene.talk('ann', { home, throughShell: true });
      terminal.type('half a thought');
      await terminal.until(/^lobby> half a thought$/m);
      terminal.type('\u0003');
      await terminal.until(/^lobby>$/m);
      terminal.type(keys);
      await terminal.until(/^ended with 0, as it was$/m);
      expect(terminal.raw).toContain('\u001b[?2004l');
    }
  });

  it.each(['SIGTERM', 'SIGHUP'] as const)('gives the terminal back when %s ends it', async signal => {
    const scene = await ChatScene.start();
    const terminal = await scene.talk('ann');
    terminal.signal(signal);
    expect(await terminal.ended).toMatchObject({ status: signal === 'SIGTERM' ? 143 : 129 });
    expect(terminal.raw).toContain('\u001b[?2004l');
  });

  it.skipIf(!isInstalled('bash'))('is suspended by Ctrl-Z, and goes on', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    const program = ['bash', '--norc', '--noprofile', '-i'];
    const terminal = new InTerminal(await scene.home(), [], { program, env: { PS1: 'here> ' } });
    await terminal.until(/^here>$/m);
    terminal.type(`${process.execPath} ${MAIN} chat ${scene.url} --as ann\r`);
    await terminal.until(/^lobby>$/m);
    terminal.type('half\u001a');
    await terminal.until(/Stopped[\s\S]*^here>$/m);
    await bob.send('while you were away');
    terminal.type('fg\r');
    await terminal.until(/bob: while you were away\nlobby> half$/m);
    terminal.type('\u0003\u0003');
    await terminal.until(/^here>$/m);
    terminal.type('echo "status $?"\r');
    await terminal.until(/^status 0$/m);
  });

  it('tells what is new, and has said what was seen', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    await bob.send('seen');
    const home = await scene.home();
    const first = await scene.talk('ann', { home });
    await first.until(/bob: seen$/m);
    first.type('\u0004');
    await first.ended;
    await bob.send('one');
    await bob.send('two');
    const second = await scene.talk('ann', { home });
    await second.until(/bob: seen\n— 2 new since you were here —\n\d\d:\d\d bob: one\n\d\d:\d\d bob: two$/m);
    second.type('/who\r');
    await second.until(
      /^— 2 in lobby —\nann +here since \d{4}-\d\d-\d\d \d\d:\d\d, has .*\nbob +here since .*, has not seen/m,
    );
  });

  it('goes on over another line by itself, with what is typed meanwhile', async () => {
    const scene = await ChatScene.start();
    const terminal = await scene.talk('ann');
    terminal.type('first\r');
    await terminal.until(/ann: first$/m);
    await scene.close();
    await terminal.until(/^connection lost, trying again… Ctrl-C leaves\nlobby>$/m);
    terminal.type('second\r');
    await terminal.until(/^connection lost, trying again… Ctrl-C leaves; 1 to send\nlobby>$/m);
    terminal.type('/who\r');
    await terminal.until(/^the connection is lost|there is no line/m);
    terminal.type('half');
    await scene.open();
    await terminal.until(/ann: second\nlobby> half$/m);
    expect(terminal.screen()).not.toContain('connection lost, trying');
    const bob = await scene.join('bob');
    await bob.send('welcome back');
    await terminal.until(/bob: welcome back\nlobby> half$/m);
    expect(await said(scene, bob)).toEqual(['first', 'second', 'welcome back']);
  });

  it('leaves at once while the line is lost, and tells what was not sent', async () => {
    const scene = await ChatScene.start();
    const terminal = await scene.talk('ann');
    await scene.close();
    await terminal.until(/^connection lost/m);
    terminal.type('too late\r');
    await terminal.until(/1 to send$/m);
    // This has nothing to send.
    terminal.type('/get 1\r\u0003');
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toMatch(/^1 message not sent$/m);
  });

  it('lets no sequence of another person reach the terminal (R-X1)', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    const hostile = '\u001b[2J\u001b]0;title\u0007\u009b31m\u0001\u202eevil\u2066\r\u0008\u200b';
    await bob.send(hostile);
    await bob.send(hostile, { action: true });
    await bob.send(hostile, { to: 'ann' }).catch(() => {});
    await bob.send('', { file: { id: 'A'.repeat(22), name: `a${hostile}.txt`, size: 5 } }).catch(() => {});
    const terminal = await scene.talk('ann');
    await bob.send(`${hostile}\nsecond line ${hostile}`);
    await terminal.until(/second line/);
    terminal.type('/search evil\r');
    await terminal.until(/found for evil/);
    terminal.type('/history\r/who\r');
    await terminal.until(/in lobby/);
    terminal.type('/nope\u200b\u202e\r');
    await terminal.until(/there is no \/nope/);
    expect(terminal.raw).not.toMatch(/\u001b\[2J|\u001b\]|\u0007|\u009b|\u0001|[\u202a-\u202e\u2066-\u2069\u200b]/);
    expect(terminal.screen()).toContain('\\x1b[2J\\x1b]0;title\\x07\\u{9b}31m\\x01\\u{202e}evil\\u{2066}');
  });

  it('has commands, and says which there are', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    const carol = await scene.join('carol', 'garden');
    const terminal = await scene.talk('ann');
    terminal.type('/help\r');
    await terminal.until(/^\/who +who is here[\s\S]*^\/quit +leave$/m);
    expect(terminal.screen()).toContain('/send FILE');
    terminal.type('/etc/passwd is a file\r');
    await terminal.until(/^there is no \/etc\/passwd; \/help tells/m);
    terminal.type('//etc/passwd is a file\r');
    await terminal.until(/ann: \/etc\/passwd is a file$/m);
    terminal.type('/me waves\r');
    await terminal.until(/^\d\d:\d\d \* ann waves$/m);
    terminal.type('/msg bob for your eyes\r');
    await terminal.until(/^\d\d:\d\d ann → bob: for your eyes$/m);
    await bob.send('thanks', { to: 'ann' });
    await terminal.until(/^\d\d:\d\d bob → you: thanks$/m);
    terminal.type('/msg nobody x\r');
    await terminal.until(/nobody/);
    terminal.type('/rooms\r');
    await terminal.until(/^— 2 rooms —\ngarden +1 there, no messages\nlobby +2 there, last message /m);
    terminal.type('/nick anna\r');
    await terminal.until(/ann is now anna$/m);
    terminal.type('/nick bob\r');
    await terminal.until(/^.*bob.*$/m);
    terminal.type('/join garden\r');
    await terminal.until(/^— garden, as anna —\nalso here: carol\n.*for your eyes\n.*thanks\ngarden>$/m);
    await carol.send('among flowers');
    await terminal.until(/carol: among flowers\ngarden>$/m);
    await bob.send('not heard here');
    terminal.type('/join\r');
    await terminal.until(/one word is needed: \/join ROOM/);
    terminal.type('/join garden\r');
    await terminal.until(/you are in garden$/m);
    terminal.type('/search flowers among\r');
    await terminal.until(/^— 1 found for flowers among —\n\d{4}-\d\d-\d\d \d\d:\d\d carol: among flowers$/m);
    expect(terminal.screen()).not.toContain('not heard here');
  });

  it('is in one room at a time, however fast one goes from one to the next', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob', 'attic');
    const terminal = await scene.talk('ann');
    terminal.type('/join attic\r/join cellar\r');
    await terminal.until(/^cellar>$/m);
    const events: string[] = [];
    for await (const event of bob) {
      if (event.type === 'came' || event.type === 'left') events.push(`${event.type} ${event.name}`);
      if (event.type === 'left') break;
    }
    expect(events).toEqual(['came ann', 'left ann']);
  });

  it('shows earlier messages, page by page', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    for (let at = 1; at <= 12; at++) await bob.send(`number ${at}.`);
    const terminal = await scene.talk('ann', { args: ['--last', '2'] });
    await terminal.until(/bob: number 11\.\n.*bob: number 12\./);
    expect(terminal.screen()).not.toContain('number 10.');
    terminal.type('/history 4\r');
    await terminal.until(/^— 4 earlier —\n.*number 7\.\n[\s\S]*number 10\.\n— until here —$/m);
    terminal.type('/history\r');
    await terminal.until(/^— 6 earlier —\n.*number 1\.\n/m);
    terminal.type('/history\r');
    await terminal.until(/^— nothing before that is kept —$/m);
    terminal.type('/history many\r');
    await terminal.until(/a number from 1 to/);
  });

  it('completes names and commands', async () => {
    const scene = await ChatScene.start();
    await scene.join('Barbara');
    await scene.join('bartholomew');
    const terminal = await scene.talk('ann');
    terminal.type('b\t');
    await terminal.until(/^lobby> [Bb]ar$/m);
    terminal.type('\t');
    await terminal.until(/Barbara {2}bartholomew$/m);
    terminal.type('t\t');
    await terminal.until(/^lobby> bartholomew:$/m);
    terminal.type('\u0015/hi\t5');
    await terminal.until(/^lobby> \/history 5$/m);
    terminal.type('\u0015/msg barb\thi');
    await terminal.until(/^lobby> \/msg Barbara hi$/m);
    terminal.type('\u0015/join lo\t');
    await terminal.until(/^lobby> \/join lobby$/m);
  });

  it('colours names by what they are, unless NO_COLOR says otherwise', async () => {
    const scene = await ChatScene.start();
    const bob = await scene.join('bob');
    await bob.send('hello');
    const colored = await scene.talk('ann');
    await colored.until(/bob: hello/);
    const color = /\u001b\[(\d+)mbob\u001b\[39m: hello/.exec(colored.raw)?.[1];
    expect(Number(color)).toBeGreaterThan(30);
    const plain = await scene.talk('carol', { env: { NO_COLOR: '1' } });
    await plain.until(/bob: hello/);
    expect(plain.raw).not.toMatch(/\u001b\[\d+m/);
  });

  it('refuses a name of somebody else and one that is no name, and a host without chat (7)', async () => {
    const scene = await ChatScene.start(['chat']);
    await scene.join('bob');
    const taken = await scene.refused('bob');
    expect(taken).toMatchObject({ status: 7 });
    expect(taken.screen).toMatch(/bob is the name of somebody else there\nhint: choose another one with --as NAME$/m);
    const wrong = await scene.refused('two words');
    expect(wrong).toMatchObject({ status: 7 });
    expect(wrong.screen).toContain('--as NAME');
    const other = await ChatScene.start(['read']);
    const refused = await other.refused('ann');
    expect(refused).toMatchObject({ status: 7 });
    expect(refused.screen).toMatch(
      /this login may not talk in rooms \(chat\)\)\nhint: .*postern serve --allow grants it$/m,
    );
  });
});

/** All texts of the room, once they are stored. */
async function said(scene: ChatScene, member: Awaited<ReturnType<ChatScene['join']>>): Promise<string[]> {
  expect(scene.faults).toEqual([]);
  const texts: string[] = [];
  for await (const { text } of member.history()) texts.push(text);
  return texts.filter(text => !text.startsWith('message '));
}
