/** Whether two names look the same on a page: HTML shows any run of white space as one space, and a character composed or not alike. */
export function sameName(a: string, b: string): boolean {
  return asShown(a) === asShown(b)
}

const asShown = (name: string): string => name.normalize('NFC').replace(/\s+/g, ' ').trim()
