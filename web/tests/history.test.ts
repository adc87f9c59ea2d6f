import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { catchUp, loadBackTo, noteChange, noteDeleted, openTimeline } from '../src/history'
import { conversationList, notePlaced, putConversation, resetStore, store } from '../src/store'
import type { Change, Conversation, Message, Row } from '../src/wire'

/** A server with one conversation, as far as the client asks: the history and its changes. */
class Server {
  rows: Row[] = []
  changes: Change[] = []
  asked: string[] = []
  /** What was before it was too old to be kept. */
  first = 1
  /** Runs after an answer was made and before it arrives. */
  meanwhile: () => void = () => undefined

  say(count: number): void {
    for (let i = 0; i < count; i++) this.rows.push(text(this.rows.length + 1))
  }

  edit(seq: number, content: string): Change {
    const change = { ver: this.changes.length + 1, userid: 5, change: 'edit', seq, content, edited: 'later' }
    this.changes.push(change)
    this.rows[seq - 1] = { ...(this.rows[seq - 1] as Message), content, edited: 'later' }
    return change
  }

  async fetch(path: string, request: { body: string }): Promise<Response> {
    this.asked.push(path)
    const answer = this.answer(path, JSON.parse(request.body) as Record<string, number>)
    this.meanwhile()
    return new Response(JSON.stringify({ code: 0, msg: '', next: null, ...answer }))
  }

  private answer(path: string, { before, after, since, limit }: Record<string, number>): object {
    if (path === '/message/changes') {
      const rows = this.changes.filter(({ ver }) => ver > since!).slice(0, limit)
      const ver = rows.at(-1)?.ver ?? since
      return { rows, ver, next: ver! < this.changes.length ? ver : null }
    }
    const all = this.rows.filter(({ seq }) => (before === undefined || seq < before) && (after === undefined || seq > after))
    const rows = after === undefined ? all.slice(-limit!) : all.slice(0, limit)
    const kept = rows.filter(({ seq }) => seq >= this.first)
    return { rows: kept, first: this.first, last: this.rows.length, ver: this.changes.length, expired: this.first > 1 }
  }
}

const KEY = '10:5'
const text = (seq: number): Message => ({ seq, userid: 5, cmd: 10, dstid: 1, media: 1, createat: '', content: `${seq}` })
const listed = (more: Partial<Conversation> = {}): Conversation => ({
  kind: 10,
  dstid: 5,
  title: '',
  avatar: '',
  first: 1,
  last_seq: server.rows.length,
  read_seq: 0,
  unread: 0,
  ver: server.changes.length,
  ...more,
})
const contents = (): (string | undefined)[] => store.timelines.get(KEY)!.rows.map((row) => ('content' in row ? row.content : 'gone'))

let server = new Server()

beforeEach(() => {
  server = new Server()
  vi.stubGlobal('fetch', (path: string, request: { body: string }) => server.fetch(path, request))
  resetStore()
  store.me = { id: 1, nickname: 'Me', avatar: '' }
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('a change that happens while the first page is on its way is shown', async () => {
  server.say(3)
  putConversation(listed())
  server.meanwhile = () => {
    server.meanwhile = () => undefined
    noteChange(KEY, server.edit(2, 'edited'))
  }
  await openTimeline(KEY)
  expect(contents()).toEqual(['1', 'edited', '3'])
  expect(store.timelines.get(KEY)!.changes.hasHole).toBe(false)
})

test('older rows that were read before a change are brought up to it', async () => {
  server.say(60)
  putConversation(listed())
  await openTimeline(KEY)
  server.meanwhile = () => {
    server.meanwhile = () => undefined
    noteChange(KEY, server.edit(4, 'edited'))
  }
  expect(await loadBackTo(KEY, 4)).toBe(true)
  expect(contents()[3]).toBe('edited')
  expect(await loadBackTo(KEY, 99)).toBe(false)
})

test('a missing change is asked for when the hole is a second old', async () => {
  vi.useFakeTimers()
  server.say(3)
  putConversation(listed())
  await openTimeline(KEY)
  server.edit(1, 'one')
  noteChange(KEY, server.edit(3, 'three'))
  expect(contents()).toEqual(['1', '2', '3'])
  await vi.advanceTimersByTimeAsync(900)
  expect(server.asked).toEqual(['/message/history'])
  await vi.advanceTimersByTimeAsync(200)
  expect(contents()).toEqual(['one', '2', 'three'])
})

test('after a time without a socket new messages and all changes are there', async () => {
  server.say(10)
  putConversation(listed())
  await openTimeline(KEY)
  server.say(300)
  for (let i = 0; i < 250; i++) server.edit(1 + (i % 10), `edit ${i}`)
  putConversation(listed())
  await catchUp(KEY)
  expect(contents().length).toBe(310)
  expect(contents().slice(0, 2)).toEqual(['edit 240', 'edit 241'])
  expect(store.timelines.get(KEY)!.holeAfter()).toBe(null)
})

test('too far behind, it is read anew by whoever shows it', async () => {
  server.say(10)
  putConversation(listed())
  await openTimeline(KEY)
  server.say(2_000)
  putConversation(listed())
  await catchUp(KEY)
  expect(store.timelines.has(KEY)).toBe(false)
})

test('the list of chats shows what became of its last message, opened or not', () => {
  server.say(1)
  putConversation(listed({ last: text(1) }))
  noteChange(KEY, server.edit(1, 'edited'))
  expect(store.conversations.get(KEY)).toMatchObject({ ver: 1, last: { content: 'edited' } })
  noteDeleted(KEY, [1])
  expect(store.conversations.get(KEY)!.last).toEqual({ seq: 1, gone: 'deleted' })
})

test('clearing takes the rows, on another device too', async () => {
  server.say(5)
  putConversation(listed())
  await openTimeline(KEY)
  putConversation(listed({ first: 4 }))
  expect(contents()).toEqual(['4', '5'])
})

test('what the server keeps no longer goes from the page too, and is not asked for again', async () => {
  server.say(120)
  putConversation(listed())
  await openTimeline(KEY)
  expect(store.timelines.get(KEY)).toMatchObject({ hasOlder: true, expired: false })
  server.first = 90
  await loadBackTo(KEY, 60)
  expect(contents()[0]).toBe('90')
  expect(store.timelines.get(KEY)).toMatchObject({ hasOlder: false, expired: true })
  expect(store.timelines.get(KEY)!.holeAfter()).toBe(null)
  const asked = server.asked.length
  expect(await loadBackTo(KEY, 10)).toBe(false)
  expect(server.asked.length).toBe(asked)
})

test('after a time in which all that was on hand expired, the rest is there without a hole', async () => {
  server.say(10)
  putConversation(listed())
  await openTimeline(KEY)
  server.say(100)
  server.first = 50
  putConversation(listed({ first: 50 }))
  await catchUp(KEY)
  expect(contents()[0]).toBe('50')
  expect(contents().length).toBe(61)
  expect(store.timelines.get(KEY)!.holeAfter()).toBe(null)
})

test('the newest message decides the order of the chats, also where it was recalled', () => {
  putConversation(listed({ active: '2026-01-01T00:00:02.000Z', last_seq: 1, last: { seq: 1, gone: 'recalled' } }))
  putConversation(listed({ dstid: 6, active: '2026-01-01T00:00:01.000Z', last_seq: 1, last: text(1) }))
  expect(conversationList.value.map(({ dstid }) => dstid)).toEqual([5, 6])
  notePlaced('10:6', { ...text(2), createat: '2026-01-01T00:00:03.000Z' })
  expect(conversationList.value.map(({ dstid }) => dstid)).toEqual([6, 5])
})

test('who names me marks the chat until it is read', () => {
  putConversation(listed())
  notePlaced(KEY, { ...text(1), mention: [1] })
  expect(store.conversations.get(KEY)).toMatchObject({ unread: 1, mentioned: true })
  notePlaced(KEY, { ...text(2), userid: 1 })
  expect(store.conversations.get(KEY)).toMatchObject({ unread: 0, mentioned: false })
})

test('messages that arrive while the time without a socket is caught up leave no hole', async () => {
  server.say(10)
  putConversation(listed())
  await openTimeline(KEY)
  server.say(450)
  putConversation(listed())
  server.meanwhile = () => {
    server.meanwhile = () => undefined
    store.timelines.get(KEY)!.insert([text(server.rows.length)])
  }
  await catchUp(KEY)
  expect(contents().length).toBe(460)
  expect(store.timelines.get(KEY)!.holeAfter()).toBe(null)
})

test('what was deleted on another device meanwhile is read anew; what was deleted here is not', async () => {
  server.say(10)
  putConversation(listed({ deleted: 2 }))
  await openTimeline(KEY)
  noteDeleted(KEY, [3])
  noteDeleted(KEY, [3])
  putConversation(listed({ deleted: 3 }))
  await catchUp(KEY)
  expect(store.timelines.has(KEY)).toBe(true)
  putConversation(listed({ deleted: 4 }))
  await catchUp(KEY)
  expect(store.timelines.has(KEY)).toBe(false)
})

test('a chat with nothing to see is listed only while it is pinned', () => {
  server.say(2)
  putConversation(listed({ first: 3 }))
  expect(conversationList.value).toEqual([])
  putConversation(listed({ first: 3, pinned: true }))
  expect(conversationList.value.length).toBe(1)
})
