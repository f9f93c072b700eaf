import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { openTalk } from './talk.js'

test('progress is ended before the answer, and begins anew after it', () => {
  const shown: string[] = []
  const stream = new PassThrough().on('data', (chunk: Buffer) => shown.push(chunk.toString().trimEnd()))
  const talk = openTalk({ stdout: stream, stderr: stream as unknown as NodeJS.WriteStream })
  talk.progress('objects', 1, 2)
  talk.progress('objects', 2, 2)
  talk.say('backup x')
  talk.say('The backup is whole.')
  talk.progress('rows', 7, 7)
  talk.stop()
  talk.stop()
  expect(shown).toEqual(['objects 2/2', 'backup x', 'The backup is whole.', 'rows 7/7'])
})
