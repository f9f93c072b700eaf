import { useMemo } from 'react'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~'

/** The mean colour that a BlurHash carries in characters 2 to 5 (github.com/woltapp/blurhash, Algorithm.md), as #rrggbb. */
export function meanColour(blurHash: string | undefined): string | undefined {
  if (!blurHash || blurHash.length < 6) return undefined
  let value = 0
  for (const character of blurHash.slice(2, 6)) {
    const digit = alphabet.indexOf(character)
    if (digit < 0) return undefined
    value = value * 83 + digit
  }
  return value > 0xffffff ? undefined : `#${value.toString(16).padStart(6, '0')}`
}

/** The colour to show until a picture is there. */
export function usePlaceholder(blurHash: string | undefined): string | undefined {
  return useMemo(() => meanColour(blurHash), [blurHash])
}
