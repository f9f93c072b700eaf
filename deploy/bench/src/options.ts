/** The number that `--option=N` gives among the words after a bench's name, or another where it is not there. */
export function numberOf(words: readonly string[], option: string, otherwise: number): number {
  const given = words.find(each => each.startsWith(`--${option}=`))
  return given === undefined ? otherwise : Number(given.split('=')[1])
}
