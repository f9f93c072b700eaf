import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { en, type Messages } from './en.ts'
import { ja } from './ja.ts'

/** The languages the app speaks. */
export type Locale = 'en' | 'ja'
const languages: Record<Locale, Messages> = { en, ja }

interface Language {
  locale: Locale
  m: Messages
  setLocale(locale: Locale): void
}

const LanguageContext = createContext<Language | undefined>(undefined)

/** What was chosen before, else what the browser asks for. */
function firstLocale(): Locale {
  const stored = localStorage.getItem('keepsake.locale')
  if (stored === 'en' || stored === 'ja') return stored
  return navigator.language.startsWith('ja') ? 'ja' : 'en'
}

/** Holds the chosen language for the app below it. */
export function LanguageProvider({ children }: { children: ReactNode }) {
  const [locale, setLocale] = useState<Locale>(firstLocale)
  useEffect(() => {
    document.documentElement.lang = locale
    localStorage.setItem('keepsake.locale', locale)
  }, [locale])
  const value = useMemo(() => ({ locale, m: languages[locale], setLocale }), [locale])
  return <LanguageContext value={value}>{children}</LanguageContext>
}

/** The sentences of the chosen language. */
export function useLanguage(): Language {
  const language = useContext(LanguageContext)
  if (!language) throw new Error('useLanguage outside LanguageProvider')
  return language
}
