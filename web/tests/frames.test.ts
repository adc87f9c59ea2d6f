import { expect, test } from 'vitest'
import { uuid7 } from '../src/cid'
import { keyOfFrame } from '../src/wire'

test('a cid is new every time, in the order of its making, and short enough', () => {
  const cids = Array.from({ length: 200 }, () => uuid7())
  expect(new Set(cids).size).toBe(200)
  for (const cid of cids) expect(cid).toMatch(/^[0-9a-f-]{36}$/)
  expect(cids.map((cid) => cid.slice(0, 13))).toEqual(cids.map((cid) => cid.slice(0, 13)).sort())
})

test('the conversation of a frame is the community, or the other of a single chat', () => {
  expect(keyOfFrame(11, 5, 9, 1)).toBe('11:9')
  expect(keyOfFrame(10, 5, 1, 1)).toBe('10:5')
  expect(keyOfFrame(10, 1, 5, 1)).toBe('10:5')
  expect(keyOfFrame(10, 1, 1, 1)).toBe('10:1')
})
