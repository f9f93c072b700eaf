import type { NodePlacement } from './node-placement.js'
import type { Provider } from './provider.js'

/** A model as a worker opens it. */
export interface WorkerModel {
  /** Path of the .onnx file. */
  file: string
  /** Side of its pictures in pixels. */
  size: number
}

/** What a worker is started with. */
export interface WorkerStart {
  provider: Provider
  models: Readonly<Record<string, WorkerModel>>
  /** Environment for telemetry, where spans are exported; absent: the worker loads none of it. */
  telemetry?: Record<string, string | undefined>
}

/** To a worker process, before anything else; a thread is born with it. */
export interface StartMessage {
  start: WorkerStart
}

/** To a worker: run this batch. The pixels' buffer is transferred to a thread. */
export interface RunMessage {
  batch: number
  model: string
  rows: number
  pixels: Uint8Array
  /** W3C trace headers of the requests in the batch. */
  traces: Record<string, string>[]
  /** Run it in a session of its own that says where each node ran. */
  profiled?: boolean
}

/** To a worker: free everything and end. Sent only while nothing runs. */
export interface StopMessage {
  stop: true
}

/** From a worker. A thread's output buffers are transferred. */
export type ResultMessage =
  | { batch: number; outputs: Record<string, Float32Array>; runMs: number; nodes?: NodePlacement[] }
  | { batch: number; error: Error; broken: boolean }
