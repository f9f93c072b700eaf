/** Something that an operator can do something about: its message is printed, without a stack. */
export class Trouble extends Error {
  override name = 'Trouble'
}
