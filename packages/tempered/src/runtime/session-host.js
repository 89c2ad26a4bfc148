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
 * What WebGPU buffers hold for ONNX Runtime.
 * @type {readonly HostTensor['dtype'][]}
 */
export const GPU_TYPES = ['float32', 'int32', 'int64', 'bool', 'uint8'];

/**
 * What a worker prepares for its device.
 * @typedef {object} Engine
 * @property {typeof import('onnxruntime-common').InferenceSession} InferenceSession
 * @property {typeof import('onnxruntime-common').Tensor} Tensor
 * @property {SessionOptions} sessionOptions
 * @property {readonly HostTensor['dtype'][]} gpuTypes element types that can stay in GPU memory; none on a CPU
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
          post({ id: request.id, result: { description: engine.description, gpuTypes: engine.gpuTypes } }, []);
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
    const dtype = elementType(tensor);
    counter += 1;
    tensors.set(counter, tensor);
    return { tensor: counter, onGpu: tensor.location === 'gpu-buffer', dtype, shape: tensor.dims };
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
        const outputs = await session.run(inputs, [...fetch, ...keepNames]);
        try {
          /** @type {ArrayBuffer[]} */
          const transfer = [];
          /** @type {Record<string, HostTensor>} */
          const fetched = {};
          for (const name of fetch) {
            const tensor = await toHost(output(outputs, name), false);
            fetched[name] = tensor;
            transfer.push(tensor.data.buffer);
          }
          // Last, so that nothing that fails before leaves a tensor that no one will release.
          for (const name of keepNames) elementType(output(outputs, name));
          const kept = Object.fromEntries(keepNames.map((name) => [name, keep(output(outputs, name))]));
          return { result: { fetched, kept }, transfer };
        } catch (error) {
          for (const tensor of Object.values(outputs)) tensor.dispose();
          throw error;
        }
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
  return engine.gpuTypes.length === 0 ? onCpu(session) : onGpu(engine, model, session);
}

/**
 * Kept outputs are ordinary tensors here. (Apart from `onGpu`, because this one must not hold on to the model's bytes.)
 * @param {Session} session
 * @returns {CompiledProgram}
 */
function onCpu(session) {
  const { inputNames, outputNames } = session;
  return { inputNames, outputNames, sessionFor: async () => session, release: () => session.release() };
}

/**
 * Where an output goes is fixed when a session is created, so a device that keeps tensors in its own memory needs a
 * session for every set of kept outputs; programs usually have one such set.
 * @param {Engine} engine
 * @param {Uint8Array} model
 * @param {Session} first the session that keeps nothing
 * @returns {CompiledProgram}
 */
function onGpu({ InferenceSession, sessionOptions, gpuTypes }, model, first) {
  const { inputNames, outputNames } = first;
  const keepable = new Set(
    first.outputMetadata.flatMap((o) => (o.isTensor && gpuTypes.some((type) => type === o.type) ? [o.name] : [])),
  );
  /** @type {Map<string, Session>} */
  const sessions = new Map([['', first]]);
  let firstWasUsed = false;
  return {
    inputNames,
    outputNames,
    async sessionFor(keep) {
      const kept = outputNames.filter((name) => keep.includes(name) && keepable.has(name));
      const key = kept.join('\n');
      firstWasUsed ||= key === '';
      const known = sessions.get(key);
      if (known !== undefined) return known;
      const session = await InferenceSession.create(model, {
        ...sessionOptions,
        preferredOutputLocation: Object.fromEntries(
          outputNames.map((name) => [name, kept.includes(name) ? 'gpu-buffer' : 'cpu']),
        ),
      });
      sessions.set(key, session);
      // Until now it only stood for the program.
      if (!firstWasUsed) {
        await sessions.get('')?.release();
        sessions.delete('');
      }
      return session;
    },
    async release() {
      for (const session of sessions.values()) await session.release();
    },
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
  // In Node, getData() of a GPU tensor ends the process.
  if (tensor.location === 'gpu-buffer') throw new Error('a tensor in GPU memory cannot be read directly');
  const dtype = elementType(tensor);
  const found = /** @type {HostTensor['data']} */ (await tensor.getData());
  const whole = found.buffer instanceof ArrayBuffer && found.byteLength === found.buffer.byteLength;
  const data = /** @type {Extract<OrtTensor['data'], HostTensor['data']> & { buffer: ArrayBuffer }} */ (
    copy || !whole ? found.slice() : found
  );
  return { dtype, shape: tensor.dims, data };
}
