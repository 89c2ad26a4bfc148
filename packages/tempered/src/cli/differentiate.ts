import { Command, Option } from 'commander';
import { differentiate, parseModel, resolveNames, ShapeError, specialize, writeModel } from 'onnx-grad';
import { externalDataBeside, namingFile, readModelBytes } from '../models/node/load.ts';
import { writeFileAtomic } from '../runs/atomic.ts';
import { type CommonOptions, nameList, noteIgnored, shape, withCommonOptions } from './options.ts';
import { report } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface DifferentiateOptions extends CommonOptions {
  of?: string;
  wrt: string[];
  shape: number[];
  out: string;
}

/** `tempered differentiate`: the gradient of a model as a model. */
export function differentiateCommand(): Command {
  const command = new Command('differentiate')
    .summary('gradient of an ONNX model, as an ONNX model')
    .description('write the gradient of an ONNX model as an ONNX model that any runtime can run')
    .argument('<MODEL.onnx>', 'model to differentiate')
    .option('--of <OUTPUT>', 'output to differentiate (default: the first)')
    .addOption(
      new Option('--wrt <WHAT>', 'input, all (inputs and parameters), or names, comma-separated')
        .argParser(nameList)
        .default(['input'], 'input'),
    )
    .requiredOption('--shape <NxCxHxW>', "shape of the model's input, 1x3x224x224", shape)
    .requiredOption('--out <GRAD.onnx>', 'file to write')
    .addHelpText(
      'after',
      '\nThe file has the original outputs, an extra input <output>_cotangent of the\noutput’s shape, and an extra output <name>_grad for each name: the\nvector-Jacobian product.',
    );
  return withCommonOptions(command).action((path: string, options: DifferentiateOptions, command: Command) =>
    runCommand(async (terminal) => {
      noteIgnored(command, ['seed', 'device', 'threads']);
      await checkFile(options.out);
      await checkFile(options.json);
      const bytes = await readModelBytes(path);
      const result = namingFile(path, () => {
        const graph = parseModel(bytes, { externalData: externalDataBeside(path) });
        const input = graph.inputs.find(({ name }) => !graph.initializers.has(name));
        if (input === undefined) throw new ShapeError('the model has no input');
        const [first] = options.wrt;
        const wrt = options.wrt.length === 1 && (first === 'input' || first === 'all') ? first : options.wrt;
        const names = resolveNames(graph, wrt);
        const parameters = names.filter((name) => graph.initializers.has(name));
        const specialized = specialize(graph, { [input.name]: options.shape }, { parameters });
        return { names, graph: differentiate(specialized, { of: options.of, wrt: names }) };
      });
      await writeFileAtomic(options.out, writeModel(result.graph));
      const { inputs, outputs, nodes } = result.graph;
      const summary = {
        out: options.out,
        inputs: inputs.map(({ name, dtype, shape: size }) => ({ name, dtype, shape: size })),
        outputs: outputs.map(({ name, dtype, shape: size }) => ({ name, dtype, shape: size })),
        nodes: nodes.length,
      };
      const list = (what: string, values: typeof summary.inputs) =>
        values.map(({ name, dtype, shape: size }) => `  ${what}  ${name}  ${dtype} [${size?.join(', ')}]`);
      await report(terminal, options, summary, [
        `${options.out}: ${nodes.length} nodes`,
        ...list('in ', summary.inputs),
        ...list('out', summary.outputs),
      ]);
    }),
  );
}
