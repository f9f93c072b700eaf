/** Version of the text that a parent reads before consenting to face recognition; it is kept with the answer. */
export const consentTextVersion = '2026-11-01'

/** The text of that version. */
export const consentText = `Face recognition finds the faces in your photos and videos, and groups those of one person.
For this Keepsake computes a numerical description of each face, and an estimate of age and expression.
All of it stays on this machine, is used for this family only, and is never used to train anything.
You can take the consent back at any time in the family's settings; everything computed from faces is then erased.`
