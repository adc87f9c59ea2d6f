import { expect, test } from 'vitest'
import { mentionedIn, namingAt, suggested } from '../src/mention'
import { segments, withMentions } from '../src/richtext'

const member = (userid: number, nickname: string) => ({ userid, nickname, avatar: '', role: 'member' as const })

test.each([
  ['@', 1, { start: 0, query: '' }],
  ['hi @an', 6, { start: 3, query: 'an' }],
  ['你好@小', 4, { start: 2, query: '小' }],
  ['hi @an there', 6, { start: 3, query: 'an' }],
  ['mail me@example', 15, null],
  ['@an there', 9, null],
  ['no name', 7, null],
])('behind %j at %i stands %j', (text, caret, naming) => {
  expect(namingAt(text, caret)).toEqual(naming)
})

test('members are offered whose name fits, the best first, never oneself', () => {
  const members = [member(1, 'Annabel'), member(2, 'Hanna'), member(3, 'ANN'), member(4, 'Ben')]
  expect(suggested(members, 'ann', 1).map(({ userid }) => userid)).toEqual([3, 2])
  expect(suggested(members, '', 4).length).toBe(3)
})

test('only who still stands in the text is named, once', () => {
  expect(mentionedIn('@Ann Lee and @小明', [[1, 'Ann Lee'], [2, 'Ben'], [3, '小明'], [1, 'Ann Lee']])).toEqual([1, 3])
})

test('names are set apart, the longest that fits, and links stay links', () => {
  const parts = withMentions(segments('@Ann Lee, @Ann: see https://x.example/@Ann!'), new Map([[1, 'Ann'], [2, 'Ann Lee'], [3, '']]))
  expect(parts.filter((part) => part.mention)).toEqual([{ text: '@Ann Lee', mention: 2 }, { text: '@Ann', mention: 1 }])
  expect(parts.filter((part) => part.href)).toEqual([{ text: 'https://x.example/@Ann', href: 'https://x.example/@Ann' }])
  expect(parts.map(({ text }) => text).join('')).toBe('@Ann Lee, @Ann: see https://x.example/@Ann!')
})
