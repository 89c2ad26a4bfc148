/** @file The `tempered` command. */
import { Command, CommanderError, Option } from 'commander';
import { versions } from '../runtime/node/versions.ts';
import { compactHelp } from './help.ts';

/** In the order of the help. Loaded when called: what all of them need takes most of a second to load. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  study: async () => (await import('./study.ts')).studyCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  audit: async () => (await import('./audit.ts')).auditCommand(),
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand(),
  attack: async () => (await import('./attack.ts')).attackCommand(),
  attacks: async () => (await import('./attacks.ts')).attacksCommand(),
  uar: async () => (await import('./uar.ts')).uarCommand(),
  universal: async () => (await import('./universal.ts')).universalCommand(),
  explain: async () => (await import('./explain.ts')).explainCommand(),
  methods: async () => (await import('./methods.ts')).methodsCommand(),
  score: async () => (await import('./score.ts')).scoreCommand(),
  stability: async () => (await import('./stability.ts')).stabilityCommand(),
  roar: async () => (await import('./roar.ts')).roarCommand(),
  sneak: async () => (await import('./sneak.ts')).sneakCommand(),
  'vae-gan': async () => (await import('./vae-gan.ts')).vaeGanCommand(),
  differentiate: async () => (await import('./differentiate.ts')).differentiateCommand(),
  data: async () => (await import('./data.ts')).dataCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
};

const program = new Command('tempered')
  .description('A workbench for image classifiers: trains, attacks, explains and measures them.')
  .version(versions().tempered!)
  // What the last line of the help says need not be said twice.
  .helpCommand(false)
  .addHelpOption(new Option('-h, --help').hideHelp())
  .addHelpText(
    'after',
    `
Common options:
  --json [FILE]          result as JSON, to FILE or to standard output
  --seed N               seed of everything random (default: 0)
  --device, --threads    engine: cpu (default) or webgpu; threads of the CPU
  --mean, --std LIST     preprocessing by channel, such as 0.485,0.456,0.406
  --input-shape, --model-output   size of an input, and which output, if open
'tempered COMMAND --help' explains a command. Start with: tempered study`,
  );

// Without the name of a command, all of them are listed, or looked through for what was meant.
const name = process.argv[2] ?? '';
const called = Object.entries(COMMANDS).filter(([command]) => command === name);
for (const [, load] of called.length > 0 ? called : Object.entries(COMMANDS)) program.addCommand(await load());
for (const command of allCommands(program)) compactHelp(command.exitOverride());

// A reader that has seen enough, such as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has printed the message already; 2 is the exit code of wrong use.
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
