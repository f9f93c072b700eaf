import { generateIdentityKeys } from '@keepsake/rpc'
import { expect, test } from 'vitest'
import { environmentOf, inherited, type Wiring } from './environment.js'
import { serviceNames } from './services.js'

test('family, and nobody else, is told where the keys of backups are: in the home, apart from the objects', () => {
  const wiring: Wiring = {
    home: '/srv/album',
    identity: generateIdentityKeys([...serviceNames, 'operator']),
    objectsUrlKey: 'k'.repeat(32),
    databases: {},
    addresses: Object.fromEntries(serviceNames.map(name => [name, '127.0.0.1:1'])) as Wiring['addresses'],
    platform: { KEEPSAKE_OBJECTS: 'file:///srv/album/objects' },
    publicUrl: 'http://127.0.0.1:8080',
    logLevel: 'info',
    inherited: {},
    key: () => '',
  }
  const told = Object.fromEntries(
    serviceNames.map(name => [name, environmentOf(wiring, name, { grpc: 1, internal: 2 })['KEEPSAKE_KEYS']]),
  )
  expect(told['family']).toBe('file:///srv/album/keys')
  expect(Object.values(told).filter(Boolean).length).toBe(1)
})

test('who asks for a GPU or a detector at the start gets it in the services, and no secret of the shell is handed on', () => {
  const shell = {
    KEEPSAKE_INFERENCE_PROVIDER: 'cuda',
    KEEPSAKE_FACE_DETECTOR: 'pyramid',
    CUDA_VISIBLE_DEVICES: '1',
    KEEPSAKE_PASSWORD: 'secret',
    USER: 'me',
  }
  expect(inherited(shell)).toEqual({
    KEEPSAKE_INFERENCE_PROVIDER: 'cuda',
    KEEPSAKE_FACE_DETECTOR: 'pyramid',
    CUDA_VISIBLE_DEVICES: '1',
  })
})
