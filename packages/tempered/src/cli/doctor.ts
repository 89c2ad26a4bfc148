import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { DeviceError } from '../errors.ts';
import { createNodeRuntime, type NodeRuntimeOptions } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type OperatorSupport, type SelfTestRow, selfTest, supportTable } from '../runtime/self-test.ts';

const DEVICES = ['cpu', 'webgpu'] as const;

interface DoctorOptions {
  device?: (typeof DEVICES)[number];
  threads?: number;
  json?: boolean;
}

interface DeviceReport {
  readonly device: (typeof DEVICES)[number];
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
  return new Command('doctor')
    .description('list devices and versions, and compare every device with the CPU, operator by operator')
    .addOption(new Option('--device <NAME>', 'look at this device only').choices(DEVICES))
    .option('--threads <N>', 'threads of the CPU engine (default: all)', positiveInteger)
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nExits with 1 when a device gives a wrong result or refuses an operator, or when\nthe one asked for is missing.',
    )
    .action(async (options: DoctorOptions) => {
      const report = await examine(options);
      process.stdout.write(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report));
      const { devices } = report;
      const missing = options.device !== undefined && devices.some((device) => !device.available);
      if (missing || devices.some((device) => device.problems.length > 0)) process.exitCode = 1;
    });
}

async function examine({ device: only, threads }: DoctorOptions): Promise<DoctorReport> {
  const reference = await createNodeRuntime({ threads });
  try {
    const devices: DeviceReport[] = [];
    for (const device of only === undefined ? DEVICES : [only])
      devices.push(await examineDevice(device, reference, threads));
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    return {
      tempered: version,
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
  device: DeviceReport['device'],
  reference: Runtime,
  threads: number | undefined,
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
    const rows = await selfTest({ reference, candidate, strictCandidate, onProgress: showProgress });
    clearProgress();
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

function formatReport(report: DoctorReport): string {
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
  return `${lines.join('\n')}\n`;
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

function showProgress({ stage, done, total }: { stage: string; done: number; total: number }): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${stage}: ${done}/${total}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

function positiveInteger(value: string): number {
  if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError('It must be a positive whole number.');
  return Number(value);
}
