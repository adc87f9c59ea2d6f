import { expect, test } from 'vitest'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'

const places = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(String).sort()

test.each(Object.keys(en))('%s is said in Chinese with the same places', (key) => {
  const english = (en as Record<string, string>)[key]!
  const chinese = (zh as Record<string, string>)[key.replace(/_one$/, '')] ?? ''
  expect(chinese).not.toBe('')
  if (!key.endsWith('_one')) expect(places(chinese)).toEqual(places(english))
})
