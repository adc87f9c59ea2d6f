import { expect, test } from 'vitest'
import { isSearchable, marked } from '../src/search'

function shown(text: string, q: string): string {
  return marked(text, q)
    .map((part) => (part.marked ? `[${part.text}]` : part.text))
    .join('')
}

test.each([
  ['明天下午开会，开会地点另行通知', '开会', '明天下午[开会]，[开会]地点另行通知'],
  ['The Meeting is in the meadow', 'me', 'The [Me]eting is in the [me]adow'],
  ['the workflow', 'flow', 'the workflow'],
  ['新的iPhone手机', 'IPHONE手机', '新的[iPhone手机]'],
  ['ＡＢＣ and abc', 'abc', '[ＡＢＣ] and [abc]'],
  ['15月 5月', '5月', '15月 [5月]'],
  ['haha 😂', '😂', 'haha [😂]'],
  ['I ❤ it', '❤️', 'I [❤] it'],
  ['Straße 7', 'strasse', '[Straße] 7'],
  ['cafe\u0301 noir', 'café', '[café] noir'],
  ['two words here', 'here two', '[two] words [here]'],
  ['nothing', '', 'nothing'],
  ['', 'word', ''],
])('in %j what is asked for by %j is marked', (text, q, expected) => {
  expect(shown(text, q)).toBe(expected)
})

test.each(['开会', '5月', 'A股', 'ok', 'plan b', '😂', 'カメ', 'école'])('%j can be searched for', (q) => {
  expect(isSearchable(q)).toBe(true)
})

test.each(['', ' ', 'a', '猫', 'a b', '…', '!?'])('%j is too little to search for', (q) => {
  expect(isSearchable(q)).toBe(false)
})
