import { mediaError } from './errors.js'

const segment = /^[A-Za-z0-9._=-]{1,200}$/

/**
 * Checks an object key: 1 to 16 segments joined by `/`, each of letters, digits, `.`, `_`, `=`, `-` (1 to 200 characters), none of them
 * made of dots only. So a key can never leave its root, hide, or mean two things on two systems. Throws OBJECT_KEY_INVALID.
 */
export function requireObjectKey(key: string): string {
  if (!isPath(key)) throw mediaError('OBJECT_KEY_INVALID')
  return key
}

/** Checks a listing prefix: a key followed by `/`. The empty prefix means everything and is allowed only where `orEmpty` is set. */
export function requirePrefix(prefix: string, orEmpty: boolean): string {
  if (prefix === '' && orEmpty) return prefix
  if (!prefix.endsWith('/') || !isPath(prefix.slice(0, -1))) throw mediaError('OBJECT_KEY_INVALID')
  return prefix
}

function isPath(path: string): boolean {
  const segments = path.split('/')
  return segments.length <= 16 && segments.every(part => segment.test(part) && !/^\.+$/.test(part))
}
