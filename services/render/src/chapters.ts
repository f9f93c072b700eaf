import { FPS, type Storyboard } from './storyboard.js'

/** WebVTT chapters of a film: one for each card and each item, named by its date or text. */
export function chaptersVtt(board: Storyboard): string {
  const cues = board.slots.map((slot, i) => {
    const label = (slot.label || board.title).replaceAll('-->', '→').replace(/\s+/g, ' ')
    return `${i + 1}\n${clock(slot.startFrame)} --> ${clock(slot.startFrame + slot.frames)}\n${escape(label)}\n`
  })
  return `WEBVTT\n\n${cues.join('\n')}`
}

function clock(frame: number): string {
  const ms = Math.round((frame * 1000) / FPS)
  const pad = (v: number, n: number): string => String(v).padStart(n, '0')
  return `${pad(Math.floor(ms / 3_600_000), 2)}:${pad(Math.floor(ms / 60_000) % 60, 2)}:${pad(Math.floor(ms / 1000) % 60, 2)}.${pad(ms % 1000, 3)}`
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
