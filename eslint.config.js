// Lint: recommended type-aware rules, the project boundaries by Nx tags, and "one library owns one dependency".
// Each boundary is planted and seen to fail in deploy/local/src/boundaries.test.ts.
import nx from '@nx/eslint-plugin'
import hooks from 'eslint-plugin-react-hooks'
import { createProjectGraphAsync } from 'nx/src/project-graph/project-graph.js'
import tseslint from 'typescript-eslint'

process.env.NX_DAEMON = 'false'
process.env.NX_NO_CLOUD = 'true'
// The boundary rule only reads the project graph that lies in .nx, and is silent where none does.
await createProjectGraphAsync({ exitOnError: false })

/** Packages with one owner: `only` may import them, everyone else uses the owner's port. */
const owned = [
  { name: 'pg', only: ['libs/db'], instead: '@keepsake/db' },
  { name: 'kafkajs', only: ['libs/events'], instead: '@keepsake/events' },
  { name: '@grpc/grpc-js', only: ['libs/rpc', 'proto'], instead: '@keepsake/rpc' },
  { name: 'minio', only: ['libs/media'], instead: '@keepsake/media' },
  { name: 'onnxruntime-node', only: ['libs/inference'], instead: '@keepsake/inference' },
  // Native decoders read hostile bytes: they run in the child processes of these packages only. Tests may make pictures.
  { name: 'sharp', only: ['libs/media', 'services/render', 'deploy'], instead: '@keepsake/media', tests: true },
  { name: 'node-av', only: ['libs/media', 'services/render', 'deploy'], instead: '@keepsake/media', tests: true },
]

const areas = [
  'proto',
  'libs/config',
  'libs/telemetry',
  'libs/db',
  'libs/rpc',
  'libs/events',
  'libs/media',
  'libs/inference',
  'libs/testing',
  'services',
  'services/render',
  'deploy',
]

/** The bans that hold in one area. A deeper area comes later in the configuration and replaces the shallower one. */
const bans = (area, isTest) =>
  owned
    .filter(each => !each.only.some(owner => area === owner || area.startsWith(`${owner}/`)) && !(isTest && each.tests))
    .map(each => ({
      regex: `^${each.name}(/|$)`,
      message: `${each.name} belongs to ${each.only.join(', ')}: use ${each.instead}.`,
    }))

const restrict = (area, isTest) => ({
  files: isTest
    ? [`${area}/**/*.{test,bench}.ts`, `${area}/**/*.{medium,contract,e2e,data,faults}.test.ts`]
    : [`${area}/**/*.{ts,tsx}`],
  rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: bans(area, isTest) }] },
})

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      'proto/gen/**',
      '.nx/**',
      '.cache/**',
      '.keepsake/**',
      '.keepsake-stack/**',
      'coverage/**',
      'services/render/kernel/**',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommended],
    // One program for all projects (of the others it reads what the build wrote): a program for each would check most types again for each.
    languageOptions: {
      parserOptions: {
        project: ['tsconfig.lint.json', 'services/gateway/web/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { '@nx': nx },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      // emitDecoratorMetadata needs Nest's constructor types as values: a type import there breaks injection silently.
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Export by name: a thing has one name everywhere.' },
        {
          selector: 'MemberExpression[object.name=/^(it|test|describe)$/][property.name=/^(only|skip|todo)$/]',
          message: 'No only, skip or todo: use skipUnless(condition, reason) of @keepsake/testing.',
        },
      ],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'], location: 'start' }],
      'no-console': 'error',
      eqeqeq: ['error', 'smart'],
      '@nx/enforce-module-boundaries': [
        'error',
        {
          allow: [],
          enforceBuildableLibDependency: false,
          allowCircularSelfDependency: true,
          banTransitiveDependencies: false,
          depConstraints: [
            { sourceTag: 'type:proto', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'type:lib', onlyDependOnLibsWithTags: ['type:lib', 'type:proto'] },
            { sourceTag: 'type:service', onlyDependOnLibsWithTags: ['type:lib', 'type:proto'] },
            {
              sourceTag: 'type:web',
              onlyDependOnLibsWithTags: ['type:proto'],
              bannedExternalImports: [
                'pg',
                'kafkajs',
                'onnxruntime-node',
                'minio',
                '@grpc/grpc-js',
                '@nestjs/*',
                'sharp',
                'node-av',
              ],
            },
            {
              sourceTag: 'type:deploy',
              onlyDependOnLibsWithTags: ['type:lib', 'type:proto', 'type:service', 'type:deploy'],
            },
          ],
        },
      ],
    },
  },
  ...areas.map(area => restrict(area, false)),
  ...areas.map(area => restrict(area, true)),
  {
    // The command line and the local runner talk to a person on a terminal; benches and tests print figures.
    files: ['deploy/**/*.ts', '**/*.test.ts', '**/*.bench.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['services/gateway/web/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: { ...hooks.configs.recommended.rules, 'no-console': 'error' },
  },
  {
    // Declarations describe other people's packages as they are.
    files: ['**/*.d.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    // Type information is taken from the nearest tsconfig; configuration files have none.
    files: ['**/vite.config.ts', '**/vitest.config.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { 'no-restricted-syntax': 'off' },
  },
)
