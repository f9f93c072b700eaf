/** A model as a worker opens it. */
export interface WorkerModel {
  /** Path of the .onnx file. */
  file: string
  /** Side of its pictures in pixels. */
  size: number
}

/** What a worker is started with. */
export interface WorkerStart {
  models: Readonly<Record<string, WorkerModel>>
  /** Environment for telemetry, where spans are exported; absent: the worker loads none of it. */
  telemetry?: Record<string, string | undefined>
}

/** Main thread to worker: run this batch. The pixels' buffer is transferred. */
export interface RunMessage {
  batch: number
  model: string
  rows: number
  pixels: Uint8Array
  /** W3C trace headers of the requests in the batch. */
  traces: Record<string, string>[]
}

/** Main thread to worker: free everything and end. Sent only while nothing runs. */
export interface StopMessage {
  stop: true
}

/** Worker to main thread. Output buffers are transferred. */
export type ResultMessage =
  | { batch: number; outputs: Record<string, Float32Array>; runMs: number }
  | { batch: number; error: Error; broken: boolean }
