import { SessionHost } from './session-host.js'
import type { RunMessage, StartMessage, StopMessage } from './session-messages.js'

/*
 * The body of an inference process, for a GPU: drivers are native code of many hands, and where one crashes it must not take the service with it. The first message
 * says what to open; a stop message, or a parent that is gone, ends it.
 */

if (!process.send) throw new Error('session-process is not a program: start it as a child process with a channel')

let host: Promise<SessionHost> | undefined

process.on('message', (message: StartMessage | RunMessage | StopMessage) => {
  if ('start' in message) host = SessionHost.open(message.start)
  else if ('stop' in message)
    void (host?.then(open => open.stop()) ?? Promise.resolve()).finally(() => process.disconnect())
  else void host?.then(open => open.run(message)).then(result => process.send?.(result))
})
process.on('disconnect', () => process.exit())
