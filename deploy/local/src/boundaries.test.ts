import { ESLint } from 'eslint'
import tseslint from 'typescript-eslint'
import { describe, expect, test } from 'vitest'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The repository's own lint configuration; only rules that need a file on disk for its types are off. */
const eslint = new ESLint({
  cwd: root,
  overrideConfig: [
    {
      files: ['**/*.ts', '**/*.tsx'],
      languageOptions: { parserOptions: { projectService: false, project: null } },
      rules: tseslint.configs.disableTypeChecked.rules ?? {},
    },
  ],
})

/** The rules that complain when a file of that project begins with that import. */
async function complaints(project: string, specifier: string, file = 'planted.ts'): Promise<string[]> {
  const [result] = await eslint.lintText(`import * as planted from '${specifier}'\nexport const used = planted\n`, {
    filePath: `${root}${project}/src/${file}`,
  })
  return (result?.messages ?? []).map(message => message.ruleId ?? message.message)
}

const boundary = '@nx/enforce-module-boundaries'
const owner = '@typescript-eslint/no-restricted-imports'

describe('a planted import fails lint', () => {
  test.each([
    ['services/album', '@keepsake/rating/service', boundary],
    ['services/rating', '../../album/src/service.js', boundary],
    ['services/gateway', '@keepsake/ingest', boundary],
    ['libs/rpc', '@keepsake/album', boundary],
    ['libs/db', '@keepsake/local', boundary],
    ['proto', '@keepsake/rpc', boundary],
    ['services/gateway/web', '@keepsake/rpc', boundary],
    ['services/gateway/web', '@keepsake/gateway/service', boundary],
    ['services/album', 'pg', owner],
    ['libs/events', 'pg', owner],
    ['deploy/local', 'pg', owner],
    ['services/cluster', 'kafkajs', owner],
    ['libs/db', 'kafkajs', owner],
    ['services/face', '@grpc/grpc-js', owner],
    ['libs/events', '@grpc/grpc-js', owner],
    ['deploy/local', '@grpc/grpc-js', owner],
    ['services/ingest', 'minio', owner],
    ['libs/db', 'minio', owner],
    ['services/face', 'onnxruntime-node', owner],
    ['libs/media', 'onnxruntime-node', owner],
    ['services/ingest', 'sharp', owner],
    ['services/face', 'sharp', owner],
    ['libs/inference', 'sharp', owner],
    ['services/ingest', 'node-av', owner],
    ['services/ingest', 'node-av/api', owner],
  ])(
    '%s importing %s breaks %s',
    async (project, specifier, rule) => {
      expect(await complaints(project, specifier)).toContain(rule)
    },
    60_000,
  )
})

describe('an allowed import passes', () => {
  test.each([
    ['libs/db', 'pg'],
    ['libs/events', 'kafkajs'],
    ['libs/rpc', '@grpc/grpc-js'],
    ['libs/media', 'sharp'],
    ['services/render', 'sharp'],
    ['libs/inference', 'onnxruntime-node'],
    ['services/album', '@keepsake/db'],
    ['services/album', '@keepsake/proto/album/v1'],
    ['deploy/local', '@keepsake/album'],
  ])(
    '%s may import %s',
    async (project, specifier) => {
      const rules = await complaints(project, specifier)
      expect(rules.filter(rule => rule === boundary || rule === owner)).toEqual([])
    },
    60_000,
  )
})
