import { Argument, Command, Option } from 'commander';
import { fetchDataset } from '../data/node/fetch.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { type FetchableName, SOURCES } from '../data/node/sources.ts';
import { arrangeGrid, upscale } from '../image/bitmap.ts';
import { encodePng } from '../image/node/encode.ts';
import { renderImage } from '../image/render.ts';
import { count as formatCount } from '../report/format.ts';
import { writeFileAtomic } from '../runs/atomic.ts';
import { type CommonOptions, noteIgnored, noteSizeOf, positiveInteger, withCommonOptions } from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface ShowOptions extends CommonOptions {
  dataDir?: string;
  split: Split;
  size?: number;
  out?: string;
}

/** `tempered data`: data sets, fetched and looked at. */
export function dataCommand(): Command {
  const command = new Command('data').description('fetch data sets, and look at them');
  command.addCommand(fetchCommand());
  command.addCommand(showCommand());
  return command;
}

function fetchCommand(): Command {
  const command = new Command('fetch')
    .description(
      'download a data set from its publisher (MNIST: PyTorch’s mirror), resumed when cut, checked by checksum',
    )
    .addArgument(new Argument('<NAME>', 'data set').choices(Object.keys(SOURCES)))
    .option('--data-dir <DIR>', 'folder to download to (default: the cache)');
  return withCommonOptions(command).action(
    (name: FetchableName, options: CommonOptions & { dataDir?: string }, command: Command) =>
      runCommand(async (terminal) => {
        noteIgnored(command, ['seed', 'device', 'threads']);
        const { signal, onProgress } = terminal;
        const folder = await fetchDataset(name, { dataDir: options.dataDir, signal, onProgress });
        await report(terminal, options, { name, folder }, [`${name} is in ${folder}`]);
      }),
  );
}

const ROWS = 10;
const COLUMNS = 10;

function showCommand(): Command {
  const command = new Command('show')
    .description('count the images of a data set by class, and draw a sheet of them')
    .argument('<NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, or a folder of pictures')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test', 'conflict']).default('test'))
    .option('--size <N>', 'pixels along each side, for folders of pictures', positiveInteger)
    .option('--out <FILE.png>', 'draw the first images, one row a class');
  return withCommonOptions(command).action((name: string, options: ShowOptions, command: Command) =>
    runCommand(async (terminal) => {
      noteSizeOf(command, name);
      noteIgnored(command, ['device', 'threads']);
      const { dataDir, split, size, seed, out } = options;
      await checkFile(out);
      await checkFile(options.json);
      const { signal, onProgress } = terminal;
      const dataset = await loadDataset({ name, dataDir, split, size, seed, signal, onProgress });
      const { labels } = dataset.batch(Uint32Array.from({ length: dataset.count }, (_, i) => i));
      const members = dataset.classes.map((_, k) => Array.from(labels.keys()).filter((i) => labels[i] === k));
      const result = {
        name: dataset.name,
        split: dataset.split,
        shape: dataset.imageShape,
        count: dataset.count,
        note: dataset.note,
        classes: dataset.classes.map((label, k) => ({ class: k, name: label, count: members[k]!.length })),
      };
      if (out !== undefined) {
        const cells = members.slice(0, ROWS).map((indices) => {
          const { images } = dataset.batch(indices.slice(0, COLUMNS));
          return Array.from({ length: images.shape[0]! }, (_, index) => upscale(renderImage(images, { index }), 2));
        });
        await writeFileAtomic(out, await encodePng(arrangeGrid(cells, { gap: 4 })));
      }
      await report(terminal, options, result, [
        `${result.name}, ${result.split}: ${formatCount(result.count)} images of ${result.shape.join('x')}`,
        ...(result.note ? [result.note] : []),
        ...textTable(
          ['class', 'name', 'images'],
          result.classes.map((row) => [String(row.class), row.name, String(row.count)]),
        ),
      ]);
    }),
  );
}
