import { openProgress } from 'keepsake'

/** What a command shows while it works, and what it says. */
export interface Talk {
  /** One line of the answer. Progress that is shown is ended first, so that the last of it does not stand after the answer. */
  say(line: string): void
  progress(stage: string, done: number, total: number): void
  /** Ends the progress that is shown. */
  stop(): void
}

/** Answers go to standard output, progress to standard error. */
export function openTalk({ stdout, stderr }: { stdout: NodeJS.WritableStream; stderr: NodeJS.WriteStream }): Talk {
  let view: ReturnType<typeof openProgress> | undefined
  const stop = () => {
    view?.stop()
    view = undefined
  }
  return {
    say: line => {
      stop()
      stdout.write(`${line}\n`)
    },
    progress: (stage, done, total) => {
      view ??= openProgress(stderr)
      view.set(stage, done, total)
    },
    stop,
  }
}
