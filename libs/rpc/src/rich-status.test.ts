import { Metadata, status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { errorCodes, KeepsakeError } from './keepsake-error.js'
import { fromStatus, toStatus } from './rich-status.js'

test('any error crosses the wire unchanged but for its cause', () => {
  const texts = fc.string({ unit: 'grapheme', maxLength: 300 })
  fc.assert(
    fc.property(
      fc.constantFrom(...errorCodes),
      texts,
      texts,
      fc.dictionary(texts, texts),
      fc.boolean(),
      (code, reason, message, details, retryable) => {
        const sent = new KeepsakeError({ code, reason, message, details, retryable, cause: 'inside' })
        const { code: number, details: text, metadata } = toStatus(sent)
        const received = fromStatus({ code: number, details: text, metadata })
        expect({ ...received }).toEqual({ ...sent })
        expect(received.message).toBe(message)
        expect(received.cause).toBeUndefined()
      },
    ),
  )
})

test('a trailer of rubbish and a bare status still make an error with a sentence', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      const metadata = new Metadata()
      metadata.set('grpc-status-details-bin', Buffer.from(bytes))
      const received = fromStatus({ code: status.UNAVAILABLE, details: 'connect ECONNREFUSED 10.0.0.1:5', metadata })
      expect(received).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVICE_UNAVAILABLE', retryable: true })
      expect(received.message).not.toContain('10.0.0.1')
    }),
  )
})
