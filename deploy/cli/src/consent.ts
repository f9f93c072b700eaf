/**
 * Version of the text that a parent reads before consenting to face recognition; it is kept with the answer. The web app says the same in its
 * own words under the same version (services/gateway/web/src/parts/consent.tsx).
 */
export const consentTextVersion = '2026-11-01'

/** The text of that version. */
export const consentText = `Face recognition finds the faces in your photos and videos, and groups those of one person.
For this Keepsake computes a numerical description of each face, and an estimate of age and expression.
All of it stays on this machine, is used for this family only, and is never used to train anything.
You can take the consent back at any time in the family's settings; everything computed from faces is then erased.`

/** What is known when an import begins. */
export interface ConsentSituation {
  /** `--consent-faces` is true, `--no-faces` false, neither undefined. */
  option: boolean | undefined
  /** What a parent decided before; null: nobody has. */
  decided: boolean | null
  /** Whether somebody can be asked. */
  interactive: boolean
}

/** What to do about consent: record it, ask for it, or leave it as it is; and what to say. */
export interface ConsentStep {
  do: 'give' | 'ask' | 'leave'
  say?: string
}

/**
 * Decides about consent before an import. Consent is asked for once. An option never takes it back: that erases every face of the family, so it
 * is done in the settings, by a person who reads what it means. Where nobody was asked nothing is recorded, and the next import asks again.
 */
export function consentStep({ option, decided, interactive }: ConsentSituation): ConsentStep {
  if (option === true) return { do: decided === true ? 'leave' : 'give' }
  if (decided === true)
    return option === false
      ? {
          do: 'leave',
          say:
            'This family has consented to face recognition, and --no-faces does not take that back: faces are found in this import too. ' +
            'To withdraw, which erases every face, say no in the settings of the album.',
        }
      : { do: 'leave' }
  if (option === false) return { do: 'leave', say: 'Importing without faces (--no-faces); no answer is recorded.' }
  if (decided === null && interactive) return { do: 'ask' }
  return {
    do: 'leave',
    say:
      decided === false
        ? 'Importing without faces: a parent has said no to face recognition (--consent-faces says yes).'
        : 'Importing without faces: nobody could be asked for consent to face recognition, and no answer is recorded (--consent-faces).',
  }
}
