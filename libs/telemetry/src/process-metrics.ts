import { metrics } from './metrics.js'

const loopDelay = metrics.declare({
  name: 'process_event_loop_delay_seconds',
  owner: 'process',
  kind: 'histogram',
  unit: 's',
  labels: {},
  help: 'How late a timer fired, four times a second: what blocks the event loop.',
})
const cpu = metrics.declare({
  name: 'process_cpu_seconds_total',
  owner: 'process',
  kind: 'counter',
  unit: 's',
  labels: {},
  help: 'Processor time of this process with its threads, without its child processes.',
})
const resident = metrics.declare({
  name: 'process_resident_memory_bytes',
  owner: 'process',
  kind: 'gauge',
  unit: 'By',
  labels: {},
  help: 'Resident memory of this process.',
})
const heap = metrics.declare({
  name: 'process_heap_used_bytes',
  owner: 'process',
  kind: 'gauge',
  unit: 'By',
  labels: {},
  help: 'JavaScript heap in use.',
})
const started = metrics.declare({
  name: 'process_start_time_seconds',
  owner: 'process',
  kind: 'gauge',
  unit: 's',
  labels: {},
  help: 'When this process began, in seconds since 1970.',
})

const sampleMs = 250

/** Measures the process until what is returned is called. Keeps nobody alive. */
export function measureProcess(): () => void {
  started.set(performance.timeOrigin / 1000, {})
  let due = performance.now() + sampleMs
  const timer = setInterval(() => {
    const now = performance.now()
    loopDelay.record(Math.max(0, now - due) / 1000, {})
    due = now + sampleMs
  }, sampleMs).unref()
  let counted = 0
  const stopReading = resident.observe(set => {
    const { rss, heapUsed } = process.memoryUsage()
    set(rss, {})
    heap.set(heapUsed, {})
    const { user, system } = process.cpuUsage()
    const seconds = (user + system) / 1e6
    cpu.add(seconds - counted, {})
    counted = seconds
  })
  return () => {
    clearInterval(timer)
    stopReading()
  }
}
