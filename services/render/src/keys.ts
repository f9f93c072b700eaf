/** Where films and their parts lie in the object store. */

/** Everything of a movie lies below this. */
export const moviePrefix = (familyId: string, movieId: string): string => `families/${familyId}/movies/${movieId}/`

/** Everything of one making of a movie: a film is never replaced while somebody watches it. */
export const filmPrefix = (familyId: string, movieId: string, generation: number): string =>
  `${moviePrefix(familyId, movieId)}${generation}/`

/** The objects of one making. */
export function movieKeys(
  familyId: string,
  movieId: string,
  generation: number,
): { movie: string; poster: string; chapters: string } {
  const prefix = filmPrefix(familyId, movieId, generation)
  return { movie: `${prefix}movie.mp4`, poster: `${prefix}poster.jpg`, chapters: `${prefix}chapters.vtt` }
}

/** An encoded stretch of film. */
export const segmentKey = (familyId: string, hash: string): string => `families/${familyId}/movies/segments/${hash}.mp4`
