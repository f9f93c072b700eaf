import { KeepsakeError, type ErrorCode } from '@keepsake/rpc'

const error = (code: ErrorCode, reason: string, message: string) => () => new KeepsakeError({ code, reason, message })
const invalid = (reason: string) => (message: string) =>
  new KeepsakeError({ code: 'INVALID_ARGUMENT', reason, message })

/** Everything that album answers when it does not do what it was asked, by reason. */
export const errors = {
  mediaNotFound: error('NOT_FOUND', 'MEDIA_NOT_FOUND', 'There is no such photo or video.'),
  commentNotFound: error('NOT_FOUND', 'COMMENT_NOT_FOUND', 'There is no such comment.'),
  collectionNotFound: error('NOT_FOUND', 'COLLECTION_NOT_FOUND', 'There is no such collection.'),
  blockNotFound: error('NOT_FOUND', 'BLOCK_NOT_FOUND', 'There is no such block.'),
  editNotFound: error('NOT_FOUND', 'EDIT_NOT_FOUND', 'There is no such edit.'),
  pageNotFound: error('NOT_FOUND', 'PAGE_NOT_FOUND', 'There is no such page.'),
  notYours: error('PERMISSION_DENIED', 'NOT_YOURS', 'Only a parent or whoever uploaded it can do this.'),
  collectionExists: error('ALREADY_EXISTS', 'COLLECTION_EXISTS', 'There is a collection of that name already.'),
  premiumRequired: error('FAILED_PRECONDITION', 'PREMIUM_REQUIRED', 'Personal pages are part of Premium.'),
  idempotencyMismatch: error(
    'FAILED_PRECONDITION',
    'IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key was used for a different request.',
  ),
  cursorInvalid: error('INVALID_ARGUMENT', 'CURSOR_INVALID', 'This cursor is not one of ours.'),
  invalidFilter: invalid('FILTER_INVALID'),
  invalidFacts: invalid('FACTS_INVALID'),
  invalidAudience: invalid('AUDIENCE_INVALID'),
  invalidComment: invalid('COMMENT_INVALID'),
  invalidCollection: invalid('COLLECTION_INVALID'),
  invalidBlock: invalid('BLOCK_INVALID'),
  invalidRequest: invalid('REQUEST_INVALID'),
}
