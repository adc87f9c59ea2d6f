import { describe, expect, test } from 'vitest'
import { changedRow, ChangeLog } from '../src/changes'
import type { Change, Message } from '../src/wire'

const ME = 1
const change = (ver: number, more: Partial<Change> = {}): Change => ({ ver, userid: 2, ...more })
const vers = (changes: Change[]): number[] => changes.map(({ ver }) => ver)
const message = (more: Partial<Message> = {}): Message => ({
  seq: 7,
  userid: 2,
  cmd: 10,
  dstid: 1,
  media: 1,
  createat: '2026-01-01T00:00:00.000Z',
  content: 'before',
  ...more,
})

describe('the order of changes', () => {
  test('each is given out once, in ver order, and never past a hole', () => {
    const log = new ChangeLog()
    log.start(3)
    expect(vers(log.take(change(5)))).toEqual([])
    expect(log.hasHole).toBe(true)
    expect(vers(log.take(change(3)))).toEqual([])
    expect(vers(log.take(change(4)))).toEqual([4, 5])
    expect(vers(log.take(change(5)))).toEqual([])
    expect(log.hasHole).toBe(false)
    expect(log.ver).toBe(5)
  })

  test('what arrives before the first page waits for it, and what the page holds is dropped', () => {
    const log = new ChangeLog()
    expect(vers(log.take(change(8)))).toEqual([])
    expect(vers(log.take(change(9)))).toEqual([])
    expect(vers(log.start(8))).toEqual([9])
  })

  test('a page of changes moves over vers that are not ours to see, and lets the waiting ones through', () => {
    const log = new ChangeLog()
    log.start(0)
    log.take(change(6))
    expect(vers(log.readUpTo(5, [change(4), change(2)]))).toEqual([2, 4, 6])
    expect(vers(log.readUpTo(5, [change(5)]))).toEqual([])
    expect(log.ver).toBe(6)
  })

  test('rows read earlier can be brought up to date, as long as it is remembered', () => {
    const log = new ChangeLog()
    log.start(10)
    for (let ver = 11; ver <= 600; ver++) log.take(change(ver))
    expect(vers(log.since(597)!)).toEqual([598, 599, 600])
    expect(log.since(10)).toBe(null)
  })
})

describe('what a change does to a message', () => {
  test('an edit puts another text and its time, a recall takes everything', () => {
    const edited = changedRow(message(), change(1, { change: 'edit', seq: 7, content: 'after', edited: 'later' }), ME)
    expect(edited).toMatchObject({ content: 'after', edited: 'later', createat: '2026-01-01T00:00:00.000Z' })
    const recalled = changedRow(edited, change(2, { change: 'recall', seq: 7 }), ME)
    expect(recalled).toEqual({ seq: 7, gone: 'recalled' })
    expect(changedRow(recalled, change(3, { change: 'edit', seq: 7, content: 'back' }), ME)).toBe(recalled)
  })

  test('another message, an unknown change and an edit without its text change nothing', () => {
    const row = message()
    for (const other of [{ change: 'recall', seq: 8 }, { change: 'tint', seq: 7 }, { change: 'edit', seq: 7 }, {}]) {
      expect(changedRow(row, change(1, other), ME)).toBe(row)
    }
  })

  test('reactions are counted by the server, mine is marked, none left is none shown', () => {
    const given = (userid: number, on: boolean, count: number): Change => ({ ver: 1, userid, change: 'react', seq: 7, emoji: '👍', on, count })
    let row = changedRow(message(), given(2, true, 1), ME)
    row = changedRow(row, given(ME, true, 2), ME)
    row = changedRow(row, given(ME, true, 2), ME)
    expect(row).toMatchObject({ reactions: [{ emoji: '👍', count: 2, mine: true, userids: [2, ME] }] })
    row = changedRow(row, given(ME, false, 1), ME)
    expect(row).toMatchObject({ reactions: [{ emoji: '👍', count: 1, mine: false, userids: [2] }] })
    expect(changedRow(row, given(2, false, 0), ME)).toMatchObject({ reactions: [] })
  })
})
