import { KeepsakeError } from '@keepsake/rpc'

/** The reasons that this service gives. Stable: clients and the API's documentation name them. */
export const errors = {
  personNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'PERSON_NOT_FOUND', message: 'There is no such person.' }),
  faceNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'FACE_NOT_FOUND', message: 'There is no such face.' }),
  correctionNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'CORRECTION_NOT_FOUND', message: 'There is no such correction.' }),
  questionNotFound: () =>
    new KeepsakeError({
      code: 'NOT_FOUND',
      reason: 'QUESTION_NOT_FOUND',
      message: 'This question does not exist, or it has been answered.',
    }),
  childNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'CHILD_NOT_FOUND', message: 'There is no such child.' }),
  personIsOurs: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'PERSON_IS_OURS',
      message: 'This person has a name or is one of your children. Take that back first.',
    }),
  mergeWithItself: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'MERGE_WITH_ITSELF',
      message: 'A person cannot be merged with itself.',
    }),
  splitInvalid: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'SPLIT_INVALID',
      message: 'Choose some of the faces of this person, but not all of them.',
    }),
  answerInvalid: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'ANSWER_INVALID',
      message: 'An answer is one of the people in question, neither or not_sure.',
    }),
  nameTooLong: (most: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'NAME_TOO_LONG',
      message: `A name has at most ${most} characters.`,
      details: { most: String(most) },
    }),
  nothingToChange: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'NOTHING_TO_CHANGE',
      message: 'Say what to change: name, child or hidden.',
    }),
  tooMany: (most: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'TOO_MANY_IDS',
      message: `At most ${most} ids at a time.`,
      details: { most: String(most) },
    }),
  cursorInvalid: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'CURSOR_INVALID',
      message: 'This is no cursor of this list.',
    }),
  stillWorking: () =>
    new KeepsakeError({
      code: 'DEADLINE_EXCEEDED',
      reason: 'PEOPLE_STILL_WORKING',
      message: 'Your correction is kept; sorting the people takes a little longer.',
      retryable: true,
    }),
}
