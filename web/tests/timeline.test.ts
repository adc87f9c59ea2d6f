import { expect, test } from 'vitest'
import { Timeline } from '../src/timeline'
import type { Row } from '../src/wire'

const row = (seq: number): Row => ({ seq, userid: 1, cmd: 10, dstid: 2, media: 1, createat: '', content: `${seq}` })

test('rows stand in seq order, each seq once, whatever order they come in', () => {
  const timeline = new Timeline()
  timeline.insert([3, 1, 2, 3, 5, 4, 1].map(row))
  expect(timeline.rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
  expect(timeline.holeAfter()).toBe(null)
})

test('the lowest hole is known', () => {
  const timeline = new Timeline()
  timeline.insert([1, 2, 5, 9].map(row))
  expect(timeline.holeAfter()).toBe(2)
})

test('a row that is gone takes the place of its text', () => {
  const timeline = new Timeline()
  timeline.insert([row(1), row(2)])
  timeline.insert([{ seq: 2, gone: 'recalled' }])
  expect(timeline.find(2)).toEqual({ seq: 2, gone: 'recalled' })
})

test('where my window begins moves forwards only, and says why', () => {
  const timeline = new Timeline()
  timeline.insert([1, 2, 3, 4].map(row))
  timeline.beginAt(3, true)
  timeline.beginAt(2)
  expect([timeline.first, timeline.expired, timeline.bottomSeq]).toEqual([3, true, 3])
  timeline.beginAt(4)
  expect([timeline.first, timeline.expired, timeline.bottomSeq]).toEqual([4, false, 4])
})

test('a page that is put before others takes its place, holes and repeats included', () => {
  const timeline = new Timeline()
  timeline.insert([10, 11, 12].map(row))
  timeline.insert([6, 8, 7, 8, 11, 14].map(row))
  expect(timeline.rows.map(({ seq }) => seq)).toEqual([6, 7, 8, 10, 11, 12, 14])
  expect(timeline.holeAfter()).toBe(8)
})
