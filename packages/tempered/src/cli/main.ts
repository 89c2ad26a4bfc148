/** @file The `tempered` command. */
import { Command, CommanderError, Option } from 'commander';
import { versions } from '../runtime/node/versions.ts';
import { attackCommand } from './attack.ts';
import { attacksCommand } from './attacks.ts';
import { auditCommand } from './audit.ts';
import { dataCommand } from './data.ts';
import { differentiateCommand } from './differentiate.ts';
import { doctorCommand } from './doctor.ts';
import { evaluateCommand } from './evaluate.ts';
import { explainCommand } from './explain.ts';
import { compactHelp } from './help.ts';
import { methodsCommand } from './methods.ts';
import { roarCommand } from './roar.ts';
import { scoreCommand } from './score.ts';
import { sneakCommand } from './sneak.ts';
import { stabilityCommand } from './stability.ts';
import { studyCommand } from './study.ts';
import { trainCommand } from './train.ts';
import { uarCommand } from './uar.ts';
import { universalCommand } from './universal.ts';
import { vaeGanCommand } from './vae-gan.ts';

const COMMANDS = [
  studyCommand,
  trainCommand,
  auditCommand,
  evaluateCommand,
  attackCommand,
  attacksCommand,
  uarCommand,
  universalCommand,
  explainCommand,
  methodsCommand,
  scoreCommand,
  stabilityCommand,
  roarCommand,
  sneakCommand,
  vaeGanCommand,
  differentiateCommand,
  dataCommand,
  doctorCommand,
];

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

for (const create of COMMANDS) program.addCommand(create());
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
