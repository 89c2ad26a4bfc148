/** What long work reports while it runs. */
export interface Progress {
  /** What is being done: "train robust", "attack at 8/255". */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** Short figures worth showing beside the bar, already formatted: "loss 0.41". */
  readonly detail?: string;
}

/** Options every long-running function takes. */
export interface Work {
  /** Stops the work at the next step; the function then rejects with the signal's reason. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}
