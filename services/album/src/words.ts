// Scripts that put no spaces between words are cut into single characters and pairs.
const dense = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}ー]/u
const runs = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}ー]+|[\p{L}\p{N}\p{M}]+/gu

const longest = 64 // characters of a word that is kept; nobody types more
const most = 200 // words of one item

function* pieces(text: string): Generator<{ word: string; dense: boolean }> {
  const plain = text.normalize('NFKC').toLowerCase()
  for (const [match] of plain.matchAll(runs)) {
    // A run of letters may still change script in the middle: 東京tower.
    for (const part of match.split(/(?<=\p{sc=Han}|\p{sc=Hiragana}|\p{sc=Katakana}|ー)(?=[a-z0-9])/u))
      yield { word: part, dense: dense.test(part) }
  }
}

/** The words under which an item is found: each once, lower case, without accents' variants (NFKC). */
export function wordsOf(texts: readonly string[]): string[] {
  const words = new Set<string>()
  for (const text of texts)
    for (const piece of pieces(text)) {
      if (!piece.dense) words.add(piece.word.slice(0, longest))
      else {
        const characters = [...piece.word]
        characters.forEach((c, i) => {
          words.add(c)
          if (i > 0) words.add(`${characters[i - 1]}${c}`)
        })
      }
    }
  return [...words].slice(0, most)
}

/** What a query asks of an item: every one of these must be there, as a whole word or (the last letters still being typed) as a beginning. */
export function queryTerms(query: string): { term: string; prefix: boolean }[] {
  const terms = new Map<string, boolean>()
  for (const piece of pieces(query)) {
    if (!piece.dense) terms.set(piece.word.slice(0, longest), true)
    else {
      const characters = [...piece.word]
      if (characters.length === 1) terms.set(piece.word, false)
      characters.forEach((c, i) => i > 0 && terms.set(`${characters[i - 1]}${c}`, false))
    }
  }
  return [...terms].slice(0, 20).map(([term, prefix]) => ({ term, prefix }))
}

/** Whether a text (a person's name) answers a term. */
export function matchesTerm(text: string, { term, prefix }: { term: string; prefix: boolean }): boolean {
  return wordsOf([text]).some(word => (prefix ? word.startsWith(term) : word === term))
}
