// `npm test`: types, lint and every suite that needs nothing but npm. The last line is `N passed, N failed, N skipped`.
//   npm test                       all of it
//   npm test -- libs/db favourite  only test files whose path contains one of the words, no lint
//   npm test -- --suite data       one suite: unit, medium, e2e, data (../shared/data), faults, stack (real Kafka, MinIO and Postgres)
// KEEPSAKE_REQUIRE=all turns every skip into a failure.
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Sentence, capture, main, readIfThere, root, run } from './bootstrap.mjs'
import { build } from './build.mjs'

const bin = name => path.join(root, 'node_modules', '.bin', name)
const cache = path.join(root, '.cache')
const usual = ['unit', 'medium', 'e2e']
const suites = [...usual, 'data', 'faults', 'stack']

/** What happened so far; a check (types, lint, ...) counts like a test. */
const total = { passed: 0, failed: 0, skipped: 0 }
const lines = []
/** One line or more per failed test, printed again at the end: a long run is read from there. */
const failures = []

function count(name, started, passed, failed, skipped, notes = []) {
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  lines.push(
    `  ${name.padEnd(18)} ${String(passed).padStart(5)} passed ${String(failed).padStart(4)} failed ${String(skipped).padStart(4)} skipped ${seconds.padStart(7)} s`,
  )
  lines.push(...notes.map(note => `    ${note}`))
}

/** A check runs beside the suites, behind them: it gets a quarter of a core that a test wants, and what none wants. */
async function check(name, command, args, options = {}) {
  const started = Date.now()
  const { code, output } = await capture('nice', ['-n', '5', command, ...args], options)
  if (code !== 0) console.log(`\n${name} failed:\n${output.trim()}\n`)
  count(name, started, code === 0 ? 1 : 0, code === 0 ? 0 : 1, 0)
}

/** A check that could not even be begun must not end the suites beside it. */
function checksFailed(error) {
  failures.push(`failed: checks\n    ${error.message}`)
  count('checks', Date.now(), 0, 1, 0)
}

/** Everything that only reads. */
async function checks() {
  await lint()
  await otherChecks()
}

/** Most of what lint does is short-lived; with room for it in the young generation a fifth of its time in the collector is saved. */
const lint = () =>
  check(
    'lint',
    process.execPath,
    [
      '--max-semi-space-size=64',
      path.join(root, 'node_modules', 'eslint', 'bin', 'eslint.js'),
      '.',
      '--cache',
      '--cache-location',
      '.cache/eslint',
      '--cache-strategy',
      'content',
      '--max-warnings',
      '0',
    ],
    { env: { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true' } },
  )

async function otherChecks() {
  await check('format', bin('prettier'), [
    '--check',
    '.',
    '--log-level',
    'warn',
    '--cache',
    '--cache-location',
    '.cache/prettier',
  ])
  if (existsSync(path.join(root, 'services/gateway/web/tsconfig.json')))
    await check('web types', bin('tsc'), ['-p', 'services/gateway/web', '--noEmit', '--pretty', 'false'])
  await protoChecks()
}

/**
 * Protos against the style guide, against the recorded baseline (`npm run baseline` writes it) and against the commit before this one: a service
 * or a stored event of another version must not break.
 */
async function protoChecks() {
  if (!existsSync(path.join(root, 'proto', 'keepsake'))) return
  await check('proto lint', bin('buf'), ['lint', 'proto'])
  await check('proto baseline', bin('buf'), ['breaking', 'proto', '--against', 'proto/baseline.binpb'])
  const before = path.join(cache, 'proto-before.tar')
  mkdirSync(cache, { recursive: true })
  const archive = await capture('git', ['archive', '--format=tar', '-o', before, 'HEAD~1', 'proto']).catch(() => ({
    code: 1,
  }))
  const listed =
    archive.code === 0
      ? await capture('git', ['ls-tree', '-r', '--name-only', 'HEAD~1', 'proto/keepsake'])
      : { output: '' }
  if (listed.output.trim() === '') return // the first commit, a shallow clone or no git: nothing to compare with
  await check('proto breaking', bin('buf'), ['breaking', 'proto', '--against', `${before}#subdir=proto`])
}

async function suite(name, filters) {
  const started = Date.now()
  const report = path.join(cache, `vitest-${name}.json`)
  rmSync(report, { force: true })
  const code = await run(
    bin('vitest'),
    ['run', ...filters, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    {
      env: { ...process.env, KEEPSAKE_SUITE: name, KEEPSAKE_BUILT: '1', NODE_ENV: 'test', NX_DAEMON: 'false' },
    },
  )
  const result = JSON.parse(readIfThere(report) ?? '{}')
  const files = result.testResults ?? []
  const tests = files.flatMap(file => file.assertionResults)
  const of = (...states) => tests.filter(each => states.includes(each.status)).length
  const broken = files.filter(
    file => file.status === 'failed' && !file.assertionResults.some(each => each.status === 'failed'),
  ).length
  let failed = of('failed') + broken
  if (code !== 0 && failed === 0) failed = 1 // an unhandled error outside of any test
  for (const file of files) failures.push(...failuresOf(name, file))
  const skipped = tests.filter(each => ['pending', 'skipped', 'todo', 'disabled'].includes(each.status))
  count(name, started, of('passed'), failed, skipped.length, summarise(skipped.map(each => each.fullName.trim())))
}

/** One stack for both halves: the tests that need real Kafka and MinIO, then the end-to-end suite of the one-machine run on it. */
async function stackSuite(filters) {
  const { missingParts, setup } = await import('./stack/dist/global-setup.js')
  const started = Date.now()
  const missing = Object.values(missingParts()).flat()
  let end = async () => undefined
  try {
    end = await setup()
    if (process.env.KEEPSAKE_TEST_KAFKA || process.env.KEEPSAKE_TEST_S3) count('stack up', started, 1, 0, 0)
  } catch (error) {
    console.log(`\nthe stack did not start:\n${error.message}\n`)
    failures.push(`failed: stack up\n    ${error.message}`)
    return count('stack up', started, 0, 1, 0)
  }
  try {
    await suite('stack', filters)
    if (missing.length > 0)
      count('stack-e2e', Date.now(), 0, 0, 1, [`skipped: the end-to-end suite on the stack: ${missing.join(', ')}`])
    else await suite('stack-e2e', filters)
  } finally {
    await end()
  }
}

/** `failed: SUITE FILE > TEST` and the first lines of the reason, for each failed test of a file or for the file itself. */
function failuresOf(suite, file) {
  const at = path.relative(root, file.name)
  const reason = text => `${text ?? ''}`.trim().split('\n').slice(0, 12).join('\n    ')
  const tests = file.assertionResults.filter(each => each.status === 'failed')
  if (tests.length > 0)
    return tests.map(
      each => `failed: ${suite} ${at} > ${each.fullName.trim()}\n    ${reason(each.failureMessages?.join('\n'))}`,
    )
  return file.status === 'failed' ? [`failed: ${suite} ${at}\n    ${reason(file.message)}`] : []
}

/** At most 20 names: a skip is always named, but a whole missing data set does not fill the screen. */
function summarise(names) {
  const shown = names.slice(0, 20).map(name => `skipped: ${name}`)
  return names.length > shown.length ? [...shown, `... and ${names.length - shown.length} more`] : shown
}

await main(async args => {
  const at = args.indexOf('--suite')
  const only = at >= 0 ? args[at + 1] : undefined
  if (at >= 0 && !suites.includes(only)) throw new Sentence(`--suite wants one of ${suites.join(', ')}.`)
  const filters = args.filter((_, i) => at < 0 || (i !== at && i !== at + 1))

  const started = Date.now()
  for (const { name, ok, output, ms } of await build()) {
    if (!ok) console.log(`\n${name} failed:\n${output.trim()}\n`)
    count(`build ${name}`, Date.now() - ms, ok ? 1 : 0, ok ? 0 : 1, 0)
  }
  // Beside the suites, which do not use both cores all the time.
  const checking = !only && filters.length === 0 ? checks().catch(checksFailed) : undefined
  for (const name of only ? [only] : filters.length > 0 ? suites.filter(each => each !== 'stack') : usual) {
    await (name === 'stack' ? stackSuite(filters) : suite(name, filters))
  }
  await checking

  if (failures.length > 0) console.log(`\n${failures.join('\n')}`)
  console.log(`\n${lines.join('\n')}\n  in ${Math.round((Date.now() - started) / 1000)} s`)
  if (process.env.KEEPSAKE_REQUIRE === 'all' && total.skipped > 0) {
    console.log(`  KEEPSAKE_REQUIRE=all: ${total.skipped} skipped count as failed`)
    total.failed += total.skipped
    total.skipped = 0
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  return total.failed === 0 ? 0 : 1
})
