import { useLanguage } from '../i18n/messages.tsx'

/** Version of the text below; it is recorded with the answer, so a change of meaning needs a new one, here and in deploy/cli/src/consent.ts. */
export const consentTextVersion = '2026-11-01'

/** The question whether faces may be recognised, with what it means. Neither answer is chosen beforehand. */
export function ConsentQuestion({ onAnswer, busy }: { onAnswer(consent: boolean): void; busy: boolean }) {
  const { m } = useLanguage()
  return (
    <fieldset className="consent" disabled={busy}>
      <legend>{m.consentTitle}</legend>
      <p>{m.consentText}</p>
      <div className="row">
        <button type="button" className="primary" onClick={() => onAnswer(true)}>
          {m.consentYes}
        </button>
        <button type="button" onClick={() => onAnswer(false)}>
          {m.consentNo}
        </button>
      </div>
    </fieldset>
  )
}
