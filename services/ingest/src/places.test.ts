import { afterAll, expect, test } from 'vitest'
import { distanceKm, Places } from './places.js'

const places = new Places()
afterAll(() => places.release())

test.each([
  [35.682194, 139.762221, 'Tokyo', 'JP'],
  [57.780696, 14.162922, 'Jönköping', 'SE'],
  [51.515618, -0.091998, 'London', 'GB'],
  [40.712728, -74.006015, 'New York City', 'US'],
  [-33.855698, 151.210381, 'Sydney', 'AU'],
  [64.141166, -21.94313, 'Reykjavík', 'IS'],
  [-36.854351, 174.755402, 'Auckland', 'NZ'],
  [-16.5, 179.99, '', 'FJ'],
])('%f, %f is in %s, %s', async (latitude, longitude, city, country) => {
  const place = await places.find(latitude, longitude)
  expect(place?.countryCode).toBe(country)
  if (city) expect(place?.city).toBe(city)
})

test('regions and the names of countries in the language asked for', async () => {
  expect(await places.find(57.780696, 14.162922)).toMatchObject({ region: 'Jönköping', country: 'Sweden' })
  expect(await places.find(35.682194, 139.762221, 'ja')).toMatchObject({ country: '日本' })
})

test('the open sea is nowhere, the wild has a country but no city', async () => {
  expect(await places.find(-48.9, -123.4)).toBeUndefined() // Point Nemo
  const wild = await places.find(-24.5, 126.5) // Gibson Desert
  expect(wild === undefined || wild.city === '').toBe(true)
})

test('distances on the globe, over the date line too', () => {
  expect(distanceKm(48.8566, 2.3522, 51.5074, -0.1278)).toBeCloseTo(343.6, 0)
  expect(distanceKm(0, 179.9, 0, -179.9)).toBeCloseTo(22.2, 0)
})
