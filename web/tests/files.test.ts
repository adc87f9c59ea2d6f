import { beforeEach, expect, test } from 'vitest'
import { lookOf, mediaFound, mediaOf, nameParts, shownName, usableFiles } from '../src/files'
import { length } from '../src/format'
import { DEFAULT_LIMITS, store } from '../src/store'
import { toasts } from '../src/toast'
import { Media } from '../src/wire'

beforeEach(() => {
  toasts.splice(0)
  store.limits = { ...DEFAULT_LIMITS, upload_bytes: 1000, video_bytes: 2000, voice_bytes: 0, file_bytes: 3000 }
})

async function told(name: string, type: string, content: string | number): Promise<string> {
  const file = new File([typeof content === 'number' ? 'x'.repeat(content) : content], name, { type })
  const usable = await usableFiles([file])
  expect(usable.length).toBe(toasts.length === 0 ? 1 : 0)
  return toasts.map(({ text }) => text).join()
}

test.each([
  ['a.png', 'image/png', 1000, ''],
  ['a.png', 'image/png', 1001, 'too large'],
  ['a.mp4', 'video/mp4', 2000, ''],
  ['a.mp4', 'video/mp4', 2001, 'too large'],
  ['a.zip', '', 3000, ''],
  ['a.zip', '', 3001, 'too large'],
  ['a.m4a', 'audio/mp4', 10, 'no files of this kind'],
  ['a.txt', 'text/plain', 0, 'is empty'],
  ['a.txt', 'text/plain', 'a < b', ''],
  ['a.txt', 'text/plain', '<3', ''],
  ['a.txt', 'text/plain', ' \n<HTML>', 'ZIP'],
  ['a.svg', 'image/svg+xml', '\ufeff<?xml version="1.0"?>', 'ZIP'],
])('%s of %s with %s', async (name, type, content, expected) => {
  const text = await told(name, type, content)
  if (expected === '') expect(text).toBe('')
  else expect(text).toContain(expected)
})

test('a recording above its limit is a file like any other', async () => {
  store.limits = { ...store.limits, voice_bytes: 100 }
  expect(await told('a.m4a', 'audio/mp4', 100)).toBe('')
  expect(await told('a.m4a', 'audio/mp4', 3000)).toBe('')
  expect(await told('a.m4a', 'audio/mp4', 3001)).toContain('too large')
})

test('a message becomes what its type tells, and then what the server found', () => {
  expect([mediaOf('image/webp'), mediaOf('video/quicktime'), mediaOf('image/heic'), mediaOf('')]).toEqual([
    Media.picture,
    Media.video,
    Media.file,
    Media.file,
  ])
  expect(mediaFound('image/jpeg', Media.file)).toBe(Media.picture)
  expect(mediaFound('application/octet-stream', Media.video)).toBe(Media.file)
  expect(mediaFound('audio/webm', Media.voice)).toBe(Media.voice)
  expect(mediaFound('audio/mp4', Media.file)).toBe(Media.file)
})

test('names of others cannot pretend to be of another kind', () => {
  expect(shownName('invoice\u202efdp.exe')).toBe('invoicefdp.exe')
  expect(shownName('a\u0000b\n')).toBe('ab')
  expect(nameParts('report.final.pdf')).toEqual(['report.final', '.pdf'])
  expect(nameParts('.profile')).toEqual(['.profile', ''])
  expect(nameParts('no suffix. But a dot')).toEqual(['no suffix. But a dot', ''])
  expect([lookOf('a.XLSX'), lookOf('a.constructor'), lookOf('', 'video/mp4'), lookOf('a')]).toEqual(['sheet', 'other', 'video', 'other'])
})

test('lengths are read as on a clock', () => {
  expect([length(0), length(7.4), length(60), length(3725)]).toEqual(['0:00', '0:07', '1:00', '1:02:05'])
})
