import { generateIdentityKeys } from '@keepsake/rpc'
import { expect, test } from 'vitest'
import { environmentOf, type Wiring } from './environment.js'
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
