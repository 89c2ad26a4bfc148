import { arch, availableParallelism, cpus, platform } from 'node:os';
import { Command } from 'commander';
import { DeviceError } from '../errors.ts';
import type { Work } from '../progress.ts';
import { createNodeRuntime, type NodeRuntimeOptions } from '../runtime/node/node-runtime.ts';
import { versions } from '../runtime/node/versions.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type OperatorSupport, type SelfTestRow, selfTest, supportTable } from '../runtime/self-test.ts';
import { type CommonOptions, noteIgnored, withCommonOptions } from './options.ts';
import { report } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';

const DEVICES = ['cpu', 'webgpu'] as const;
type DeviceName = (typeof DEVICES)[number];

interface DeviceReport {
  readonly device: DeviceName;
  readonly available: boolean;
  /** The engine's description, or why there is none. */
  readonly description: string;
  readonly operators: readonly OperatorSupport[];
  /** Every case whose verdict is not 'ok'. */
  readonly problems: readonly SelfTestRow[];
}

interface DoctorReport {
  readonly tempered: string;
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  readonly threads: number;
  readonly devices: readonly DeviceReport[];
}

/** `tempered doctor`: what this machine offers, and whether it computes right. Exits with 1 when a device does not. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .summary('devices and versions, checked operator by operator')
    .description('list devices and versions, and compare every device with the CPU, operator by operator')
    .addHelpText(
      'after',
      '\nLooks at every device, or at the one that --device names. Exits with 1 when a\ndevice gives a wrong result or refuses an operator, or when the one asked for is\nmissing.',
    );
  return withCommonOptions(command).action((options: CommonOptions, command: Command) =>
    runCommand(async (terminal) => {
      noteIgnored(command, ['seed']);
      await checkFile(options.json);
      const only = command.getOptionValueSource('device') === 'cli' ? options.device : undefined;
      const result = await examine(only === undefined ? DEVICES : [only], options.threads, terminal);
      await report(terminal, options, result, linesOf(result));
      const missing = only !== undefined && result.devices.some((device) => !device.available);
      if (missing || result.devices.some((device) => device.problems.length > 0)) process.exitCode = 1;
    }),
  );
}

async function examine(names: readonly DeviceName[], threads: number | undefined, work: Work): Promise<DoctorReport> {
  const reference = await createNodeRuntime({ threads });
  try {
    const devices: DeviceReport[] = [];
    for (const device of names) {
      work.signal?.throwIfAborted();
      devices.push(await examineDevice(device, reference, threads, work));
    }
    return {
      tempered: versions().tempered!,
      node: process.version,
      system: `${platform()} ${arch()}`,
      processor: cpus()[0]?.model.trim() || 'unknown',
      threads: threads ?? availableParallelism(),
      devices,
    };
  } finally {
    await reference.close();
  }
}

async function examineDevice(
  device: DeviceName,
  reference: Runtime,
  threads: number | undefined,
  { onProgress }: Work,
): Promise<DeviceReport> {
  const opened: Runtime[] = [];
  const open = async (options: NodeRuntimeOptions) => {
    const runtime = await createNodeRuntime(options);
    opened.push(runtime);
    return runtime;
  };
  try {
    // The CPU is compared with itself on one thread: results must not depend on how the work is shared out.
    const candidate = await open(device === 'cpu' ? { device, threads: 1 } : { device, threads });
    const strictCandidate = device === 'cpu' ? undefined : await open({ device, threads, cpuFallback: false });
    const rows = await selfTest({ reference, candidate, strictCandidate, onProgress });
    return {
      device,
      available: true,
      description: device === 'cpu' ? reference.description : candidate.description,
      operators: supportTable(rows),
      problems: rows.filter((row) => row.verdict !== 'ok'),
    };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { device, available: false, description: error.message, operators: [], problems: [] };
  } finally {
    for (const runtime of opened) await runtime.close();
  }
}

function linesOf(report: DoctorReport): string[] {
  const lines = [
    `tempered ${report.tempered}, Node ${report.node}, ${report.system}`,
    `${report.processor}, ${report.threads} ${report.threads === 1 ? 'thread' : 'threads'}`,
    '',
    'Devices',
    ...report.devices.map(
      ({ device, available, description }) =>
        `  ${device.padEnd(8)}${available ? description : `not available: ${description}`}`,
    ),
    '',
  ];
  const available = report.devices.filter((device) => device.available);
  if (available.length > 0) lines.push(...formatTable(available));
  for (const { device, problems } of report.devices) {
    if (problems.length === 0) continue;
    lines.push('', `Problems on ${device}`);
    lines.push(...problems.map((row) => `  ${row.verdict}: ${row.operator}, ${row.case}: ${row.message}`));
  }
  const count = report.devices.reduce((total, device) => total + device.problems.length, 0);
  lines.push(
    '',
    count === 0 ? 'Every result agrees with the CPU.' : `${count} ${count === 1 ? 'problem' : 'problems'}.`,
  );
  return lines;
}

/** One line an operator, one column a device: the largest relative error, or what is the matter. */
function formatTable(devices: readonly DeviceReport[]): string[] {
  const operators = [...new Set(devices.flatMap((device) => device.operators.map((row) => row.operator)))];
  const width = Math.max(...operators.map((operator) => operator.length)) + 2;
  const columns = devices.map(
    ({ device, operators: rows }) =>
      [device, new Map(rows.map((row) => [row.operator, formatSupport(row)] as const))] as const,
  );
  return [
    'Largest error relative to the CPU',
    `  ${'operator'.padEnd(width)}${columns.map(([device]) => device.padEnd(28)).join('')}`.trimEnd(),
    ...operators.map((operator) =>
      `  ${operator.padEnd(width)}${columns.map(([, cells]) => (cells.get(operator) ?? '').padEnd(28)).join('')}`.trimEnd(),
    ),
  ];
}

function formatSupport({ support, exceptions, cases, maxRelativeError }: OperatorSupport): string {
  const error = maxRelativeError === 0 ? '0' : maxRelativeError.toExponential(0);
  if (support === 'wrong') return `WRONG (${error})`;
  if (support === 'no') return 'ERROR';
  if (support === 'falls back to CPU') return `${error}  on the CPU`;
  return exceptions.length === 0 ? error : `${error}  ${exceptions.length} of ${cases} on the CPU`;
}
