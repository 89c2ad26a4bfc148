/**
 * @file Where data sets are downloaded from, and what their files must hash to. MNIST comes from PyTorch's mirror, since its
 * publisher's page no longer serves it; the others from their publishers.
 */

export interface SourceFile {
  readonly file: string;
  readonly url: string;
  /** Of the file as downloaded, in hexadecimal. */
  readonly sha256: string;
}

export type FetchableName = 'mnist' | 'fashion-mnist' | 'cifar10' | 'cifar100';

export type Sources = Readonly<Record<FetchableName, readonly SourceFile[]>>;

const MNIST = 'https://ossci-datasets.s3.amazonaws.com/mnist/';
const FASHION_MNIST = 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/';
const CIFAR = 'https://www.cs.toronto.edu/~kriz/';

const at = (folder: string, file: string, sha256: string): SourceFile => ({ file, url: folder + file, sha256 });

export const SOURCES: Sources = {
  mnist: [
    at(MNIST, 'train-images-idx3-ubyte.gz', '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609'),
    at(MNIST, 'train-labels-idx1-ubyte.gz', '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c'),
    at(MNIST, 't10k-images-idx3-ubyte.gz', '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6'),
    at(MNIST, 't10k-labels-idx1-ubyte.gz', 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'),
  ],
  'fashion-mnist': [
    at(FASHION_MNIST, 'train-images-idx3-ubyte.gz', '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84'),
    at(FASHION_MNIST, 'train-labels-idx1-ubyte.gz', 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845'),
    at(FASHION_MNIST, 't10k-images-idx3-ubyte.gz', '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073'),
    at(FASHION_MNIST, 't10k-labels-idx1-ubyte.gz', '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5'),
  ],
  cifar10: [at(CIFAR, 'cifar-10-binary.tar.gz', 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd')],
  cifar100: [at(CIFAR, 'cifar-100-binary.tar.gz', '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec')],
};
