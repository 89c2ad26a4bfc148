import type { ResidentTensor, Runtime } from '../runtime.ts';

/** The runtime, with an account of the tensors that were placed with it and not released yet. */
export function trackTensors(runtime: Runtime): { runtime: Runtime; live: ReadonlySet<ResidentTensor> } {
  const live = new Set<ResidentTensor>();
  // Tensors keep their identity, by which the runtime knows them: only their release is replaced.
  const track = (tensor: ResidentTensor): ResidentTensor => {
    const release = tensor.release;
    tensor.release = () => {
      live.delete(tensor);
      release.call(tensor);
    };
    live.add(tensor);
    return tensor;
  };
  return {
    live,
    runtime: {
      ...runtime,
      upload: async (tensor) => track(await runtime.upload(tensor)),
      async compile(model, options) {
        const program = await runtime.compile(model, options);
        return {
          ...program,
          async run(feeds, runOptions) {
            const result = await program.run(feeds, runOptions);
            Object.values(result.kept).forEach(track);
            return result;
          },
        };
      },
    },
  };
}
