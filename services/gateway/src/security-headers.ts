// The app's own scripts, styles and pictures; media over the same origin or from the object store where URLs lead there; nothing may frame us.
// Blob: pictures chosen for upload.
const policy = (media: string) => [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  `img-src 'self' data: blob:${media}`,
  `media-src 'self' blob:${media}`,
  "font-src 'self'",
  `connect-src 'self'${media}`,
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
]

/** Headers of every answer. `mediaOrigin`: where signed URLs lead when it is not here. */
export const securityHeaders = (mediaOrigin: string | undefined): Readonly<Record<string, string>> => ({
  'content-security-policy': policy(mediaOrigin === undefined ? '' : ` ${mediaOrigin}`).join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=()',
})

/** What people uploaded is never run, whatever it claims to be. */
export const objectPolicy = "default-src 'none'; sandbox; frame-ancestors 'none'"
