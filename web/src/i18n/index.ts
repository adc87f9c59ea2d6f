import { ref } from 'vue'
import { en, type Key } from './en'
import { zh } from './zh'

export type Language = 'en' | 'zh'

const TEXTS: Record<Language, Record<Key, string>> = { en, zh }
const KEPT_AS = 'im.language'

function preferred(): Language {
  try {
    const kept = localStorage.getItem(KEPT_AS)
    if (kept === 'en' || kept === 'zh') return kept
  } catch {
    // Storage can be refused; the browser's own languages decide then.
  }
  const wanted = typeof navigator === 'undefined' ? [] : navigator.languages
  for (const tag of wanted) {
    if (tag.toLowerCase().startsWith('zh')) return 'zh'
    if (tag.toLowerCase().startsWith('en')) return 'en'
  }
  return 'en'
}

export const language = ref<Language>(preferred())

export function setLanguage(chosen: Language): void {
  language.value = chosen
  document.documentElement.lang = chosen
  try {
    localStorage.setItem(KEPT_AS, chosen)
  } catch {
    // It still holds for this page.
  }
}

type Values = Record<string, string | number>

/** The text in the user's language. `{name}` is filled from `values`; where `n` is 1, `<key>_one` is preferred. */
export function t(key: Key, values: Values = {}): string {
  const texts: Record<string, string> = TEXTS[language.value]
  const text = (values['n'] === 1 ? texts[`${key}_one`] : undefined) ?? texts[key] ?? key
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole))
}

export type { Key }
