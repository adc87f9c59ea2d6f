import { expect, test } from 'vitest'
import { isSticker } from '../src/stickers'

test('only what the server draws itself is shown as a sticker', () => {
  expect(isSticker('/asset/stickers/mochi/hello.svg')).toBe(true)
  for (const url of [
    undefined,
    '',
    '/resource/mochi/hello.svg',
    '/asset/stickers/../app/main.svg',
    '/asset/stickers/mochi/hello.svg?x=1',
    'https://elsewhere.example/asset/stickers/mochi/hello.svg',
    '//elsewhere.example/asset/stickers/mochi/hello.svg',
  ]) {
    expect(isSticker(url)).toBe(false)
  }
})
