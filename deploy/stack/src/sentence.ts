/** A failure that a person can act on: the command line shows its message alone, without a stack. */
export class Sentence extends Error {
  override readonly name = 'Sentence'
}
