/** Reasons of ratings in Japanese, by the key that the rating service sends; `{name}` stands for a parameter. */
export const reasonsJa: Record<string, string> = {}
