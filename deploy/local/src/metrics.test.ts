import { execFile } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('libs/telemetry/METRICS.md says what is declared', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['deploy/metrics.mjs', '--check'], {
    cwd: root,
  }).catch((error: { stdout: string; stderr: string }) => ({ stdout: error.stdout + error.stderr }))
  expect(stdout).toBe('')
})

test('metrics are declared in the metrics.ts of their owner, which is the first word of their name', async () => {
  const elsewhere: string[] = []
  for (const folder of ['libs', 'services'])
    for (const project of await readdir(path.join(root, folder))) {
      const source = path.join(root, folder, project, 'src')
      for (const file of await readdir(source, { recursive: true }).catch(() => [])) {
        if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
        const text = await readFile(path.join(source, file), 'utf8')
        if (!text.includes('= metrics.declare({')) continue
        const owners = [...text.matchAll(/^ {2}owner: '(\w+)'/gm)].map(match => match[1])
        const wanted =
          folder === 'libs' && project === 'telemetry' ? ['process-metrics.ts', 'process'] : ['metrics.ts', project]
        if (file !== wanted[0] || owners.some(owner => owner !== wanted[1]))
          elsewhere.push(`${folder}/${project}/src/${file}`)
      }
    }
  expect(elsewhere).toEqual([])
})
