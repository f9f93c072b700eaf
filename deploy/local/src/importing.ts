import { existsSync } from 'node:fs'
import path from 'node:path'
import {
  ApiError,
  askYesNo,
  consentStep,
  consentText,
  consentTextVersion,
  coveredPeriod,
  describeImport,
  failedItems,
  findFiles,
  formatBytes,
  importFolders,
  makeMovie,
  openProgress,
  plural,
  showProcessing,
  waitUntilSettled,
  type ImportResult,
  type Movie,
} from 'keepsake'
import type { Account } from './account.js'
import type { Album } from './album.js'
import { describeEstimate, estimate } from './estimate.js'
import { freeBytes } from './home.js'
import type { Options } from './options.js'
import { Sentence } from './sentence.js'

/** Everything an import at `npm start` needs. */
export interface Importing {
  options: Options
  album: Album
  account: Account
  say: (line: string) => void
  signal: AbortSignal
  /** A person can be asked. */
  interactive: boolean
}

/**
 * Imports what the command named, or with `--exit` alone waits for what is under way; then makes the movie and prints
 * what there is. Resolves with the exit status: 0 only if every photo and video ended ready or had been there already.
 */
export async function importInto(context: Importing): Promise<number> {
  const { options, album, account, say, signal } = context
  const { api, familyId } = account
  const consent = await settleConsent(context)
  if (options.importing.length === 0) {
    if (!options.exit) return 0
    const processing = await waitUntilSettled(api, familyId, { signal })
    const failures = await failedItems(api, familyId, processing)
    for (const failure of failures) say(`  ${failure.name}: ${failure.message} (${failure.code})`)
    return failures.length === 0 ? 0 : 1
  }

  const found = await findFiles(options.importing)
  const expected = estimate(found, consent)
  if (found.files.length > 0) say(describeEstimate(expected))
  const free = freeBytes(album.home.dir)
  if (expected.disk > free)
    throw new Sentence(
      `The import needs about ${formatBytes(expected.disk)} in ${options.home}, and only ${formatBytes(free)} are free there. Nothing was imported.`,
    )

  const view = openProgress(process.stderr)
  let result: ImportResult
  try {
    result = await importFolders({
      api,
      familyId,
      roots: options.importing,
      journalDir: path.join(album.home.dir, 'imports'),
      wait: true,
      signal,
      onUpload: state => view.set('upload', state.files, state.totalFiles),
      onProcessing: processing => showProcessing(view, processing),
    })
  } finally {
    view.stop()
  }
  say(describeImport(result))
  await printPeople(context, consent)
  await printPages(context)
  // Folders in which there was nothing are no occasion for a movie.
  const movieFine = found.files.length === 0 || (await printMovie(context, result.uploadedNow > 0))
  say(options.exit ? 'Open the album with: npm start' : `Album: ${album.url}`)
  return result.failures.length === 0 && movieFine ? 0 : 1
}

interface Family {
  faceRecognition: { consent: boolean | null }
}

/** Applies the answer given by an option, or asks once on a terminal; says so where there is none. Answers what holds. */
async function settleConsent({ options, account, interactive, say, signal }: Importing): Promise<boolean> {
  const { api, familyId } = account
  const decided = (await api.get<Family>(`/v1/families/${familyId}`)).faceRecognition.consent
  const step = consentStep({ option: options.faces, decided, interactive })
  // Without an import nobody is asked and nothing is explained; a yes on the command line counts all the same.
  const importing = options.importing.length > 0
  if (importing && step.say !== undefined) say(step.say)
  if (step.do === 'leave' || (step.do === 'ask' && !importing)) return decided === true
  if (step.do === 'ask') say(consentText)
  const consent =
    step.do === 'give' || (await askYesNo('Do you, as a parent, consent to face recognition for this family?', signal))
  await api.patch(`/v1/families/${familyId}`, { faceRecognition: { consent, textVersion: consentTextVersion } })
  return consent
}

async function printPeople({ account, say }: Importing, consent: boolean): Promise<void> {
  if (!consent) return
  const { api, familyId } = account
  interface Person {
    name?: string | null
    hidden: boolean
    faceCount: number
  }
  const people: Person[] = []
  for await (const person of api.list<Person>(`/v1/families/${familyId}/people?limit=200`))
    if (!person.hidden) people.push(person)
  people.sort((a, b) => b.faceCount - a.faceCount)
  const shown = people.slice(0, 12).map((person, i) => `${person.name ?? `person ${i + 1}`} (${person.faceCount})`)
  say(
    `${plural(people.length, 'person', 'people')} found${people.length > 0 ? `: ${shown.join(', ')}${people.length > shown.length ? ', ...' : ''}` : ''}`,
  )
}

async function printPages({ account, say }: Importing): Promise<void> {
  const pages: string[] = []
  interface Page {
    id: string
    title?: string | null
    name?: string | null
    mediaCount?: number
  }
  try {
    for await (const page of account.api.list<Page>(`/v1/families/${account.familyId}/pages`))
      pages.push(`${page.title ?? page.name ?? page.id}${page.mediaCount === undefined ? '' : ` (${page.mediaCount})`}`)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'PREMIUM_REQUIRED') throw error
    return say('Pages: with the premium plan')
  }
  say(`Pages: ${pages.join(', ') || 'none yet'}`)
}

/** Makes the 1s Movie of the period covered and fetches it. A movie that needs more items is no failure. */
async function printMovie({ account, album, say, signal }: Importing, isNew: boolean): Promise<boolean> {
  const { api, familyId } = account
  const period = await coveredPeriod(api, familyId)
  if (!period) {
    say('No 1s Movie: nothing has a date yet.')
    return true
  }
  const file = path.join(album.home.dir, 'movies', `1s-movie-${period.from}-to-${period.to}.mp4`)
  if (!isNew && existsSync(file)) {
    say(`1s Movie: ${file}`)
    return true
  }
  const view = openProgress(process.stderr)
  let movie: Movie
  try {
    movie = await makeMovie(api, familyId, period, {
      signal,
      onProgress: state => view.set('movie', Math.round(state.progress * 100), 100),
    })
  } finally {
    view.stop()
  }
  if (movie.status !== 'ready' || !movie.url) {
    say(`No 1s Movie: ${movie.statusReason?.message ?? `it is ${movie.status}`}`)
    return movie.status === 'rejected'
  }
  await api.download(movie.url, file, { deadlineMs: 600_000, signal })
  say(`1s Movie: ${file} (${Math.round(movie.duration ?? 0)} s)`)
  return true
}
