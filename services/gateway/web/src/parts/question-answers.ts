import type { Question } from '../api.ts'

/** One answer to a question: what is sent, and what its button says: somebody, or a word. */
export interface QuestionAnswer {
  choice: string
  says: 'person' | 'yes' | 'no' | 'neither' | 'notSure'
}

/** The answers to "who is this?": people to choose from, where there are several; of one, yes or no. */
export function answersTo({ candidates }: Pick<Question, 'candidates'>): QuestionAnswer[] {
  const several = candidates.length !== 1
  return [
    ...candidates.map(({ personId }): QuestionAnswer => ({ choice: personId, says: several ? 'person' : 'yes' })),
    { choice: 'neither', says: several ? 'neither' : 'no' },
    { choice: 'not_sure', says: 'notSure' },
  ]
}
