import { expect, test } from 'vitest'
import { unacknowledged } from './kafka-client.js'

test('a partition of a batch for which no broker answered is not taken for written', () => {
  const message = (partition: number) => ({ key: 'k', value: Buffer.from('v'), partition })
  const sent = [
    { topic: 'a', messages: [message(0), message(1), message(1)] },
    { topic: 'b', messages: [message(0)] },
  ]
  const answer = (topicName: string, partition: number, errorCode = 0) => ({ topicName, partition, errorCode })
  expect(unacknowledged(sent, [answer('a', 0), answer('a', 1), answer('b', 0)])).toEqual([])
  expect(unacknowledged(sent, [answer('a', 0), answer('b', 0)])).toEqual(['a/1'])
  expect(unacknowledged(sent, [answer('a', 0), answer('a', 1), answer('b', 0, 7)])).toEqual(['b/0'])
})
