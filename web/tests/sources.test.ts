import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf-8' })
    .filter((name) => /\.(ts|vue)$/.test(name))
    .map((name) => join(folder, name))
}

const files = sources(join(import.meta.dirname, '..', 'src'))

test('there are sources to look at', () => {
  expect(files.length).toBeGreaterThan(40)
})

test.each(files)('%s makes no markup of texts, runs no texts, and loads nothing from elsewhere', (file) => {
  const text = readFileSync(file, 'utf-8')
  expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|v-html|document\.write|\beval\(|new Function\(/)
  expect(text).not.toMatch(/(src|href)="(https?:)?\/\//)
})

test.each(files)('%s is short enough to read', (file) => {
  expect(readFileSync(file, 'utf-8').split('\n').length).toBeLessThanOrEqual(400)
})
