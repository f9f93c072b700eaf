import type { Lane } from './schedule.js'

/** Pictures for a model: `rows` pictures of size x size x 3 bytes (RGB, row by row), one after another. */
export interface PixelRows {
  rows: number
  data: Uint8Array
}

export interface RunOptions {
  /** Default: backfill. */
  lane?: Lane
  /** Whose pictures these are: families share the workers evenly. Default: the family that the caller works for (`currentFamily`). */
  family?: string
  /** Epoch milliseconds. A request that cannot be answered by then is refused at once or dropped from the queue. */
  deadline: number
  /** Cancels the request while it waits; what runs already is finished and thrown away. */
  signal?: AbortSignal | undefined
}

/** Values of each output, `rows` times the width that the catalogue states. */
export type ModelOutputs = Readonly<Record<string, Float32Array>>

/**
 * The port: runs models on pictures. Each adapter must pass `inferenceContract`. `M` are the names of the models it holds.
 *
 * Errors are KeepsakeErrors: RESOURCE_EXHAUSTED INFERENCE_BUSY (details.retry_after_ms), DEADLINE_EXCEEDED INFERENCE_LATE,
 * CANCELLED, INVALID_ARGUMENT INFERENCE_INPUT (wrong size), INTERNAL INFERENCE_FAILED (this input makes the model fail),
 * UNAVAILABLE INFERENCE_STOPPED (closed, or the model cannot be opened).
 */
export interface Inference<M extends string> {
  /** Runs one model. Results are the same to the bit whatever other requests share the batch. Does not take `input.data` over. */
  run(model: M, input: PixelRows, options: RunOptions): Promise<ModelOutputs>
  /** Workers that hold memory now: 0 after the idle time. */
  liveWorkers(): number
  /** A sentence about why nothing can run at present (workers crash again and again); undefined where all is well. */
  problem(): string | undefined
  /** Finishes what runs, refuses what waits, frees everything. */
  close(): Promise<void>
}
