import { DecodeFailure } from './decode-failure.js'
import type { Sniffed } from './sniff.js'

/** Why a file of this kind is not what was asked for, in a sentence that says what it is. */
export function refusal(sniffed: Sniffed, wanted: 'photo' | 'video'): DecodeFailure {
  switch (sniffed.kind) {
    case 'empty':
      return new DecodeFailure('EMPTY_FILE')
    case 'image':
      return new DecodeFailure('NOT_MEDIA', `This file is a photo, not a ${wanted}.`, { format: sniffed.format })
    case 'video':
      return new DecodeFailure('NOT_MEDIA', `This file is a video, not a ${wanted}.`, { format: sniffed.format })
    case 'unsupported': {
      const sentence = `This file is ${sniffed.words}, which Keepsake cannot show yet. The original is kept.`
      return new DecodeFailure('UNSUPPORTED_FORMAT', sentence, { format: sniffed.format })
    }
    case 'other': {
      const sentence = `This file is ${sniffed.words}, not a photo or a video.`
      return new DecodeFailure('NOT_MEDIA', sentence, { format: sniffed.format })
    }
    case 'unknown':
      return new DecodeFailure('NOT_MEDIA')
  }
}
