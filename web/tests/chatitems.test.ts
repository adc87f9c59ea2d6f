import { expect, test } from 'vitest'
import { chatItems, type Perspective, type Shown } from '../src/chatitems'
import type { Message, Row } from '../src/wire'

const MINUTE_MS = 60_000
const row = (seq: number, userid = 2, more: Partial<Message> = {}): Row =>
  Object.freeze({ seq, userid, cmd: 10, dstid: 1, media: 1, createat: new Date(Date.UTC(2026, 0, 1, 12) + seq * MINUTE_MS).toISOString(), content: `${seq}`, ...more })
const view = (more: Partial<Perspective> = {}): Perspective => ({ myId: 1, peerReadSeq: 0, newAfterSeq: null, ...more })
const shown = (rows: Row[], perspective = view()): Shown[] =>
  chatItems(rows, [], perspective).flatMap((item) => (item.type === 'message' ? [item.shown] : []))

test('messages of one sender within five minutes are one run', () => {
  const runs = shown([row(1), row(2), row(3, 1), row(20, 1)])
  expect(runs.map(({ first, last }) => [first, last])).toEqual([[true, false], [false, true], [true, true], [true, true]])
})

test('a message that did not change stays the same object, so that its bubble is left alone', () => {
  const rows = [row(1), row(2, 1), row(3)]
  const before = shown(rows)
  const after = shown([...rows, row(4)])
  expect(after[0]).toBe(before[0])
  expect(after[1]).toBe(before[1])
  expect(after[2]).not.toBe(before[2])
  expect(shown(rows, view({ peerReadSeq: 2 }))[1]).toMatchObject({ state: 'read' })
})

test('the divider stands above the first new message of somebody else', () => {
  const types = chatItems([row(1), row(2, 1), row(3), row(4)], [], view({ newAfterSeq: 1 })).map(({ type }) => type)
  expect(types).toEqual(['day', 'message', 'message', 'new', 'message', 'message'])
})

test('what was recalled leaves a line, what was deleted nothing', () => {
  const items = chatItems([row(1), { seq: 2, gone: 'recalled' }, { seq: 3, gone: 'deleted' }], [], view())
  expect(items.map(({ type }) => type)).toEqual(['day', 'message', 'gone'])
})

test('a message that is stored already is not shown a second time while its ACK is missing', () => {
  const written = { cid: 'c1', userid: 1, kind: 10 as const, dstid: 2, media: 1, content: 'Hi', url: '', pic: '', file: null, blob: null }
  const waiting = { ...written, createdAtMs: Date.UTC(2026, 0, 1, 13), state: 'sending' as const, reason: '' }
  const keys = (rows: Row[]): string[] => chatItems(rows, [waiting], view()).flatMap(({ type, key }) => (type === 'message' ? [key] : []))
  expect(keys([row(1)])).toEqual(['s 1', 'c c1'])
  expect(keys([row(1), row(2, 1, { cid: 'c1' })])).toEqual(['s 1', 'c c1'])
  expect(keys([row(1), row(2, 2, { cid: 'c1' })])).toEqual(['s 1', 's 2', 'c c1'])
})
