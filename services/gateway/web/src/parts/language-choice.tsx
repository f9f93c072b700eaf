import { useLanguage, type Locale } from '../i18n/messages.tsx'

/** The language of the app, each named in itself. */
export function LanguageChoice() {
  const { locale, setLocale, m } = useLanguage()
  return (
    <select aria-label={m.language} value={locale} onChange={event => setLocale(event.target.value as Locale)}>
      <option value="en">English</option>
      <option value="ja">日本語</option>
    </select>
  )
}
