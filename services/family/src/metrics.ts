import { metrics } from '@keepsake/telemetry'

/** Attempts to sign in with a password. */
export const signIns = metrics.declare({
  name: 'family_sign_ins_total',
  owner: 'family',
  kind: 'counter',
  unit: '{attempt}',
  labels: { outcome: ['signed_in', 'refused', 'too_many'] },
  help: 'Attempts to sign in with a password.',
})
