import cliProgress from 'cli-progress'
import type { Processing } from './processing.js'

/** Bars on a terminal; elsewhere a line after some seconds, then ever more rarely, at least once a minute. */
export interface ProgressView {
  /** `unit` is shown after the numbers. */
  set(stage: string, value: number, total: number): void
  /** Removes the bars; what was printed stays. */
  stop(): void
}

// Stages as people know them, in their order.
const labels: Record<string, string> = {
  upload: 'Uploading',
  ingest: 'Preparing',
  faces: 'Finding faces',
  scene: 'Looking',
  people: 'Finding people',
  ratings: 'Rating',
  movie: '1s Movie',
}

/** Seconds until the first line where there is no terminal; doubled after each, up to the most: a log stays short. */
const lineAfter = { first: 5, most: 60 }

/** Opens the view for a stream. */
export function openProgress(stream: NodeJS.WriteStream): ProgressView {
  return stream.isTTY ? bars(stream) : plainLines(stream)
}

function bars(stream: NodeJS.WriteStream): ProgressView {
  const multi = new cliProgress.MultiBar(
    {
      format: '{label} {bar} {value}/{total}',
      barsize: 30,
      hideCursor: true,
      clearOnComplete: false,
      stream,
      fps: 8,
    },
    cliProgress.Presets.shades_grey,
  )
  const open = new Map<string, cliProgress.SingleBar>()
  return {
    set: (stage, value, total) => {
      const label = (labels[stage] ?? stage).padEnd(15)
      const bar = open.get(stage) ?? multi.create(total, 0, { label })
      open.set(stage, bar)
      bar.setTotal(total)
      bar.update(value, { label })
    },
    stop: () => multi.stop(),
  }
}

function plainLines(stream: NodeJS.WriteStream): ProgressView {
  const state = new Map<string, { value: number; total: number }>()
  let shown = Date.now()
  let pause = lineAfter.first
  let last = ''
  const show = () => {
    const text = [...state]
      .map(([stage, { value, total }]) => `${labels[stage] ?? stage} ${value}/${total}`)
      .join(' · ')
    if (text !== '' && text !== last) stream.write(`${text}\n`)
    last = text
    shown = Date.now()
    pause = Math.min(pause * 2, lineAfter.most)
  }
  return {
    set: (stage, value, total) => {
      state.set(stage, { value, total })
      if (Date.now() - shown >= pause * 1000) show()
    },
    stop: show,
  }
}

/** Puts the figures of `processing` into the view. */
export function showProcessing(view: ProgressView, processing: Processing): void {
  for (const [stage, { done, pending, failed }] of Object.entries(processing.stages)) {
    const total = done + pending + failed
    if (total > 0) view.set(stage, done + failed, total)
  }
}
