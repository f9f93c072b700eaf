import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { parseOptions, type Options } from './options.js'

const surroundings = { env: {}, cwd: tmpdir(), root: '/album' }
const parse = (...args: string[]): Options | undefined => parseOptions(args, surroundings)

test('npm start alone opens the album in .keepsake of the repository, on port 8080 of the loopback', () => {
  expect(parse()).toMatchObject({
    importing: [],
    home: '/album/.keepsake',
    host: '127.0.0.1',
    port: 8080,
    plan: undefined,
    processes: false,
    exit: false,
    faces: undefined,
  })
})

test('every option is understood, and paths count from where the person stands', () => {
  const words =
    'import . --home h --host 0.0.0.0 --port 0 --public-url https://a.example.org/ --processes --owner a@example.org --family Sato --time-zone Asia/Tokyo --plan free --consent-faces --exit'
  expect(parse(...words.split(' '))).toMatchObject({
    importing: [tmpdir()],
    home: `${tmpdir()}/h`,
    host: '0.0.0.0',
    port: 0,
    publicUrl: 'https://a.example.org',
    processes: true,
    owner: 'a@example.org',
    family: 'Sato',
    timeZone: 'Asia/Tokyo',
    plan: 'free',
    faces: true,
    exit: true,
  })
})

test.each([
  [['imports', '.'], /no command "imports"/],
  [['import'], /which folder/],
  [['import', 'not-there'], /no folder .*not-there/],
  [['--port', '99999'], /--port wants a number/],
  [['--plan', 'gold'], /premium or free/],
  [['--consent-faces', '--no-faces'], /exclude each other/],
  [['--time-zone', 'Mars/Olympus'], /Asia\/Tokyo/],
  [['--owner', 'me'], /email address/],
  [['--tls-cert', 'x'], /belong together/],
  [['--public-url', 'album'], /--public-url wants/],
  [['--no-such'], /no-such/],
])('%j is answered with one sentence', (args, sentence) => {
  expect(() => parse(...args)).toThrow(
    expect.objectContaining({ name: 'Sentence', message: expect.stringMatching(sentence) as string }),
  )
})

test('the password comes from the environment only, and an empty one is none', () => {
  expect(parseOptions([], { ...surroundings, env: { KEEPSAKE_PASSWORD: 'secret' } })?.password).toBe('secret')
  expect(parseOptions([], { ...surroundings, env: { KEEPSAKE_PASSWORD: '' } })?.password).toBeUndefined()
  expect(parse()?.newPassword).toBe(false)
  expect(parse('--new-password')?.newPassword).toBe(true)
})

test('replicas multiply processes; the stack brings processes, a name and a home of its own', () => {
  expect(parse('--processes', '--replicas', 'all=2,face=3')?.replicas).toMatchObject({ gateway: 2, album: 2, face: 3 })
  expect(() => parse('--replicas', 'face=2')).toThrow(/add --processes or --stack/)
  expect(() => parse('--processes', '--replicas', 'faces=2')).toThrow(/no service faces/)
  expect(() => parse('--processes', '--replicas', 'face=0')).toThrow(/from 1 to 16/)
  expect(parse('--stack')).toMatchObject({
    processes: true,
    home: '/album/.keepsake-stack/albums/keepsake',
    stack: { name: 'keepsake', file: '/album/.keepsake-stack/stack.json' },
  })
  const env = { KEEPSAKE_STACK: 'other/stack.json', KEEPSAKE_STACK_NAME: 'trial' }
  expect(parseOptions(['--stack', '--home', 'h'], { ...surroundings, env })).toMatchObject({
    home: `${tmpdir()}/h`,
    stack: { name: 'trial', file: `${tmpdir()}/other/stack.json` },
  })
  expect(() => parse('--stack', '--stack-name', 'No Name')).toThrow(/small letters/)
  expect(() => parse('--stack-name', 'x')).toThrow(/belongs to --stack/)
})
