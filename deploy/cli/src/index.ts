export { Api, ApiError, type Credentials, type RequestOptions, type Tokens } from './api.js'
export { findFiles, type FileRole, type Found, type FoundFile } from './files.js'
export {
  failedItems,
  importFolders,
  type Failure,
  type ImportOptions,
  type ImportProgress,
  type ImportResult,
} from './import.js'
export { coveredPeriod, makeMovie, type Movie, type MovieRequest } from './movies.js'
export { isSettled, waitUntilSettled, type Processing, type WaitOptions } from './processing.js'
export { openProgress, showProcessing, type ProgressView } from './progress.js'
export { consentStep, consentText, consentTextVersion } from './consent.js'
export { describeImport } from './commands.js'
export { ask, askYesNo, formatBytes, formatSeconds, isTerminal, plural } from './terminal.js'
