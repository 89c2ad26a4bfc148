/**
 * @file The worker's side of a runtime: owns sessions and resident tensors, and answers requests one after another.
 * Shared by the workers for Node and for browsers. Plain JavaScript, so that the worker file has the same name and runs
 * as it is from the sources and from the built package.
 */

/** @typedef {import('onnxruntime-common').InferenceSession} Session */
/** @typedef {import('onnxruntime-common').InferenceSession.SessionOptions} SessionOptions */
/** @typedef {import('onnxruntime-common').Tensor} OrtTensor */
/** @typedef {import('./runtime.ts').HostTensor} HostTensor */
/** @typedef {import('./protocol.ts').Request} Request */
/** @typedef {import('./protocol.ts').Calls} Calls */

/**
 * What a worker prepares for its device.
 * @typedef {object} Engine
 * @property {typeof import('onnxruntime-common').InferenceSession} InferenceSession
 * @property {typeof import('onnxruntime-common').Tensor} Tensor
 * @property {SessionOptions} sessionOptions
 * @property {boolean} keepsOnGpu whether kept outputs stay in GPU buffers
 * @property {string} description
 */

/**
 * @typedef {object} Answer
 * @property {Calls[keyof Calls]['result']} result
 * @property {ArrayBuffer[]} transfer
 */

/**
 * Answers every request that `receive` delivers, in order.
 * @param {object} port
 * @param {(listener: (request: Request) => void) => void} port.receive
 * @param {(response: import('./protocol.ts').Response, transfer: ArrayBuffer[]) => void} port.post
 * @param {(options: import('./protocol.ts').OpenArguments) => Promise<Engine>} open
 */
export function serve({ receive, post }, open) {
  /** @type {ReturnType<typeof createSessionHost> | undefined} */
  let host;
  let queue = Promise.resolve();
  receive((request) => {
    // One at a time: a session runs on its own threads already, and a release must not overtake the run before it.
    queue = queue.then(async () => {
      try {
        if (request.method === 'open') {
          const engine = await open(request.arguments);
          host = createSessionHost(engine);
          post({ id: request.id, result: { description: engine.description } }, []);
          return;
        }
        if (host === undefined) throw new Error('the worker was not opened');
        const { result, transfer } = await host(request);
        post({ id: request.id, result }, transfer);
      } catch (error) {
        post({ id: request.id, error: error instanceof Error ? error.message : String(error) }, []);
      }
    });
  });
}

/**
 * @param {Engine} engine
 * @returns {(request: Exclude<Request, { method: 'open' }>) => Promise<Answer>}
 */
function createSessionHost(engine) {
  /** @type {Map<number, CompiledProgram>} */
  const programs = new Map();
  /** @type {Map<number, OrtTensor>} */
  const tensors = new Map();
  let counter = 0;

  /** @param {OrtTensor} tensor */
  const keep = (tensor) => {
    counter += 1;
    tensors.set(counter, tensor);
    return { tensor: counter, dtype: elementType(tensor), shape: tensor.dims };
  };
  /** @param {number} id */
  const resident = (id) => {
    const tensor = tensors.get(id);
    if (tensor === undefined) throw new Error('a resident tensor was released before its use');
    return tensor;
  };

  return async (request) => {
    switch (request.method) {
      case 'compile': {
        const program = await compile(engine, request.arguments.model);
        counter += 1;
        programs.set(counter, program);
        const { inputNames, outputNames } = program;
        return { result: { program: counter, inputNames, outputNames }, transfer: [] };
      }
      case 'run': {
        const { feeds, fetch, keep: keepNames } = request.arguments;
        const program = programs.get(request.arguments.program);
        if (program === undefined) throw new Error('the program was released before its use');
        const inputs = Object.fromEntries(
          Object.entries(feeds).map(([name, feed]) => [
            name,
            'tensor' in feed ? resident(feed.tensor) : new engine.Tensor(feed.dtype, feed.data, feed.shape),
          ]),
        );
        const session = await program.sessionFor(keepNames);
        const outputs = await session.run(inputs, [...new Set([...fetch, ...keepNames])]);
        const kept = Object.fromEntries(keepNames.map((name) => [name, keep(output(outputs, name))]));
        /** @type {ArrayBuffer[]} */
        const transfer = [];
        /** @type {Record<string, HostTensor>} */
        const fetched = {};
        for (const name of fetch) {
          const tensor = await toHost(output(outputs, name), keepNames.includes(name));
          fetched[name] = tensor;
          transfer.push(tensor.data.buffer);
        }
        return { result: { fetched, kept }, transfer };
      }
      case 'upload': {
        const { dtype, data, shape } = request.arguments.tensor;
        return { result: keep(new engine.Tensor(dtype, data, shape)), transfer: [] };
      }
      case 'read': {
        const tensor = await toHost(resident(request.arguments.tensor), true);
        return { result: tensor, transfer: [tensor.data.buffer] };
      }
      case 'releaseTensor': {
        tensors.get(request.arguments.tensor)?.dispose();
        tensors.delete(request.arguments.tensor);
        return { result: null, transfer: [] };
      }
      case 'releaseProgram': {
        await programs.get(request.arguments.program)?.release();
        programs.delete(request.arguments.program);
        return { result: null, transfer: [] };
      }
      case 'close': {
        for (const tensor of tensors.values()) tensor.dispose();
        for (const program of programs.values()) await program.release();
        tensors.clear();
        programs.clear();
        return { result: null, transfer: [] };
      }
    }
  };
}

/**
 * @typedef {object} CompiledProgram
 * @property {readonly string[]} inputNames
 * @property {readonly string[]} outputNames
 * @property {(keep: readonly string[]) => Promise<Session>} sessionFor
 * @property {() => Promise<void>} release
 */

/**
 * @param {Engine} engine
 * @param {Uint8Array} model
 * @returns {Promise<CompiledProgram>}
 */
async function compile(engine, model) {
  const session = await engine.InferenceSession.create(model, engine.sessionOptions);
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    sessionFor: async () => session,
    release: () => session.release(),
  };
}

/**
 * @param {Readonly<Record<string, OrtTensor>>} outputs
 * @param {string} name
 */
function output(outputs, name) {
  const tensor = outputs[name];
  if (tensor === undefined) throw new Error(`the program has no output '${name}'`);
  return tensor;
}

/** @type {readonly string[]} */
const ELEMENT_TYPES = ['float32', 'float64', 'int32', 'int64', 'bool', 'uint8', 'int8'];

/** @param {OrtTensor} tensor */
function elementType(tensor) {
  if (!ELEMENT_TYPES.includes(tensor.type)) throw new Error(`outputs of type ${tensor.type} are not supported`);
  return /** @type {HostTensor['dtype']} */ (tensor.type);
}

/**
 * @param {OrtTensor} tensor
 * @param {boolean} copy whether the tensor stays in use here, so that its memory must not be given away
 * @returns {Promise<{ dtype: HostTensor['dtype'], shape: readonly number[], data: Extract<OrtTensor['data'], HostTensor['data']> & { buffer: ArrayBuffer } }>}
 */
async function toHost(tensor, copy) {
  const dtype = elementType(tensor);
  const found = /** @type {HostTensor['data']} */ (await tensor.getData());
  const whole = found.buffer instanceof ArrayBuffer && found.byteLength === found.buffer.byteLength;
  const data = /** @type {Extract<OrtTensor['data'], HostTensor['data']> & { buffer: ArrayBuffer }} */ (
    copy || !whole ? found.slice() : found
  );
  return { dtype, shape: tensor.dims, data };
}
