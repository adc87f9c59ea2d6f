import { expect, test } from 'vitest'
import { reactive } from 'vue'
import { useStretch } from '../src/stretch'
import { Timeline } from '../src/timeline'
import type { Row } from '../src/wire'

const row = (seq: number): Row => ({ seq, userid: 1, cmd: 10, dstid: 2, media: 1, createat: '', content: `${seq}` })

function rows(first: number, last: number): Row[] {
  return Array.from({ length: last - first + 1 }, (_, place) => row(first + place))
}

function chat(first: number, last: number) {
  const timeline = reactive(new Timeline())
  timeline.insert(rows(first, last))
  const stretch = useStretch(() => timeline.rows)
  const shown = (): [number, number] => [stretch.rows.value[0]!.seq, stretch.rows.value.at(-1)!.seq]
  return { timeline, stretch, shown }
}

test('all is shown at first, and what comes on both sides', () => {
  const { timeline, stretch, shown } = chat(100, 150)
  timeline.insert([row(151), row(99)])
  expect(shown()).toEqual([99, 151])
  expect([stretch.atStart.value, stretch.atEnd.value]).toEqual([true, true])
})

test('pinned, it takes in older ones a step at a time', () => {
  const { timeline, stretch, shown } = chat(951, 1000)
  stretch.pin()
  timeline.insert(rows(751, 950))
  expect(shown()).toEqual([951, 1000])
  stretch.back()
  expect(shown()).toEqual([901, 1000])
  timeline.insert([row(1001)])
  expect(shown()).toEqual([901, 1001])
})

test('on the way through a long chat each message is shown and few are at a time', () => {
  const { timeline, stretch, shown } = chat(9951, 10_000)
  const seen = new Set<number>()
  while (shown()[0] > 1) {
    if (stretch.atStart.value) {
      stretch.pin()
      timeline.insert(rows(timeline.bottomSeq - 50, timeline.bottomSeq - 1))
    }
    stretch.back()
    stretch.rows.value.forEach(({ seq }) => seen.add(seq))
    expect(stretch.rows.value.length).toBeLessThanOrEqual(400)
  }
  expect(seen.size).toBe(10_000)
  expect(shown()).toEqual([1, 400])
  timeline.insert([row(10_001)])
  expect(shown()).toEqual([1, 400])

  for (let last = 400; !stretch.atEnd.value; last = shown()[1]) {
    stretch.forward()
    expect(stretch.rows.value.length).toBe(400)
    expect(shown()[1]).toBe(Math.min(10_001, last + 50))
  }
  timeline.insert([row(10_002)])
  expect(shown()).toEqual([9602, 10_002])
  stretch.showEnd()
  expect(shown()).toEqual([9703, 10_002])
})

test('a message that is jumped to has neighbours, and one that is shown moves nothing', () => {
  const { stretch, shown } = chat(1, 2000)
  stretch.showEnd()
  stretch.showAround(1900)
  expect(shown()).toEqual([1701, 2000])
  stretch.showAround(1000)
  expect(shown()).toEqual([850, 1149])
  stretch.showAround(2)
  expect(shown()).toEqual([1, 151])
})

test('when what was shown is taken away, what follows is shown', () => {
  const { timeline, stretch, shown } = chat(1, 2000)
  stretch.showEnd()
  stretch.showAround(1000)
  timeline.beginAt(900, true)
  expect(shown()).toEqual([900, 1149])
  timeline.beginAt(1500, true)
  expect(shown()).toEqual([1500, 1549])
  expect(stretch.atEnd.value).toBe(false)
  stretch.forward()
  expect(shown()).toEqual([1500, 1599])
  timeline.beginAt(2000, true)
  expect(shown()).toEqual([2000, 2000])
  expect(stretch.atEnd.value).toBe(true)
})
