import { type Command, Help } from 'commander';

/**
 * How help is set: one screen for all commands. What every program has is not listed, and the examples below say where the
 * rest is.
 */
export const HELP_FORMAT: Partial<Help> = {
  formatHelp(command, helper) {
    // Only here: what may be meant by a mistyped name is looked for among all commands.
    const listing = Object.assign(Object.create(helper) as Help, { visibleCommands: listed });
    return Help.prototype.formatHelp.call(helper, command, listing);
  },
  visibleOptions: command => (command.parent === null ? [] : Help.prototype.visibleOptions.call(new Help(), command)),
  visibleCommands: command =>
    Help.prototype.visibleCommands.call(new Help(), command).filter(one => one.name() !== 'help'),
  // Every command has options.
  subcommandTerm: command =>
    TOGETHER.get(command.name())?.term ??
    Help.prototype.subcommandTerm.call(new Help(), command).replace(' [options]', ''),
  subcommandDescription: command => TOGETHER.get(command.name())?.summary ?? command.summary(),
};

function listed(command: Command): Command[] {
  const others = new Set([...TOGETHER.values()].flatMap(({ term }) => term.split(', ').slice(1)));
  return HELP_FORMAT.visibleCommands!(command).filter(one => !others.has(one.name()));
}

/** Commands that share a line, by the first of them. */
const TOGETHER: ReadonlyMap<string, { readonly term: string; readonly summary: string }> = new Map([
  ['rm', { term: 'rm, mkdir, mv', summary: 'remove, make folders, rename or move there' }],
  ['pair', { term: 'pair, devices, forget', summary: 'need no passphrase, who needs none, forget a key' }],
  ['ping', { term: 'ping, may', summary: 'how far it is, what you may do there' }],
]);
