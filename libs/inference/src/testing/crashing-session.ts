import type { RunMessage } from '../session-messages.js'

/** A picture that begins with this byte ends the process at once, as a driver's fault would. */
const FATAL_BYTE = 255

process.prependListener('message', message => {
  const { pixels } = message as Partial<RunMessage>
  if (pixels?.[0] === FATAL_BYTE) process.kill(process.pid, 'SIGSEGV')
})
await import('../session-process.js')
