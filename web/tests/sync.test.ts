import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Change, Frame, Message } from '../src/wire'

/** The other side of the one socket, and the calls that the client makes. */
class Server {
  epoch = 'one'
  rows: Message[] = []
  changes: Change[] = []
  calls: [path: string, body: Record<string, unknown>][] = []
  received: Frame[] = []
  socket: Socket | null = null

  say(content: string): void {
    this.rows.push({ seq: this.rows.length + 1, userid: 5, cmd: 10, dstid: 1, media: 1, createat: '', content })
  }

  edit(seq: number, content: string): void {
    this.changes.push({ ver: this.changes.length + 1, userid: 5, change: 'edit', seq, content, edited: 'later' })
    this.rows[seq - 1] = { ...this.rows[seq - 1]!, content }
  }

  send(frame: object): void {
    this.socket!.onmessage!({ data: JSON.stringify(frame) })
  }

  hello(): void {
    this.send({ cmd: 3, userid: 1, epoch: this.epoch, stamp: 's', heartbeat_s: 25, time: new Date().toISOString(), limits: {} })
  }

  cut(): void {
    this.socket!.onclose!({ code: 1006 })
  }

  asked(path: string): Record<string, unknown>[] {
    return this.calls.filter(([called]) => called === path).map(([, body]) => body)
  }

  answer(path: string, body: Record<string, unknown>): object {
    this.calls.push([path, body])
    const end = { last_seq: this.rows.length, ver: this.changes.length }
    if (path === '/message/conversations') {
      const row = { kind: 10, dstid: 5, title: 'Five', avatar: '', first: 1, read_seq: 0, unread: 0, last: null, ...end }
      return { rows: [row], stamp: `stamp ${this.calls.length}` }
    }
    if (path === '/message/history') {
      return { rows: this.rows.filter(({ seq }) => seq > Number(body['after'] ?? 0)), first: 1, last: end.last_seq, ver: end.ver }
    }
    if (path === '/message/changes') return { rows: this.changes.filter(({ ver }) => ver > Number(body['since'])), ver: end.ver }
    return { rows: [], data: null }
  }
}

let server = new Server()

class Socket {
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null

  constructor() {
    server.socket = this
  }

  send(text: string): void {
    server.received.push(JSON.parse(text) as Frame)
  }

  close(): void {
    // Our side has let go of it.
  }
}

vi.stubGlobal('WebSocket', Socket)
vi.stubGlobal('location', { origin: 'http://test', reload: () => undefined })
vi.stubGlobal('fetch', async (path: string, request: { body: string }) => {
  const answer = server.answer(path, JSON.parse(request.body) as Record<string, unknown>)
  return new Response(JSON.stringify({ code: 0, msg: '', next: null, ...answer }))
})

const KEY = '10:5'
const { openTimeline } = await import('../src/history')
const { outbox, startSync, stopSync } = await import('../src/sync')
const { resetStore, store } = await import('../src/store')
const contents = (): unknown[] => (store.timelines.get(KEY)?.rows ?? []).map((row) => ('content' in row ? row.content : 'gone'))
const until = async (condition: () => boolean): Promise<void> => await vi.waitFor(() => expect(condition()).toBe(true), 10_000)

beforeAll(() => {
  vi.useFakeTimers()
  // The longest of the random waits before a reconnect.
  vi.spyOn(Math, 'random').mockReturnValue(0.999)
})
afterAll(() => {
  stopSync()
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** One conversation of three messages, opened, and then a time without a socket. */
beforeEach(async () => {
  stopSync()
  server = new Server()
  resetStore()
  store.me = { id: 1, nickname: 'Me', avatar: '' }
  for (const text of ['a', 'b', 'c']) server.say(text)
  await startSync()
  server.hello()
  await until(() => store.listed)
  await openTimeline(KEY)
  expect(contents()).toEqual(['a', 'b', 'c'])
  server.cut()
  expect(store.connection).toBe('waiting')
  server.calls = []
})

async function reconnect(): Promise<void> {
  const before = server.socket
  vi.advanceTimersByTime(1_000)
  expect(server.socket).not.toBe(before)
  server.hello()
}

test('after a reconnect only what is new is asked for: since the stamp, after the seq, since the ver', async () => {
  server.say('d')
  server.edit(2, 'b, edited')
  await reconnect()
  await until(() => contents().length === 4)
  expect(contents()).toEqual(['a', 'b, edited', 'c', 'd'])
  expect(server.asked('/message/conversations')[0]).toHaveProperty('since')
  expect(server.asked('/message/changes')).toMatchObject([{ kind: 10, dstid: 5, since: 0 }])
  expect(server.asked('/message/history')).toMatchObject([{ after: 3 }])
})

test('another epoch drops what was known, and keeps what was written', async () => {
  const blank = { url: '', pic: '', file: null, blob: null }
  const { cid } = await outbox.add({ userid: 1, kind: 10, dstid: 5, media: 1, content: 'mine', ...blank })
  server.epoch = 'two'
  server.rows = server.rows.slice(0, 1)
  await reconnect()
  expect(store.timelines.has(KEY)).toBe(false)
  await until(() => store.listed)
  expect(server.asked('/message/conversations')[0]).not.toHaveProperty('since')
  expect(store.conversations.get(KEY)).toMatchObject({ last_seq: 1 })
  expect(server.received).toContainEqual(expect.objectContaining({ cmd: 10, cid, content: 'mine' }))
  server.send({ cmd: 1, cid, id: 9, seq: 2, createat: 'now' })
  expect(outbox.entries).toEqual([])
  expect(store.conversations.get(KEY)).toMatchObject({ last_seq: 2 })
})

test('frames after the reconnect go on where the list ends', async () => {
  await reconnect()
  await until(() => server.asked('/message/changes').length === 1)
  server.say('d')
  server.send({ ...server.rows[3], id: 4 })
  server.edit(4, 'd, edited')
  server.send({ cmd: 13, kind: 10, dstid: 1, ...server.changes[0] })
  server.send({ cmd: 13, kind: 10, dstid: 1, ...server.changes[0] })
  expect(contents()).toEqual(['a', 'b', 'c', 'd, edited'])
  expect(store.conversations.get(KEY)).toMatchObject({ last_seq: 4, unread: 1, ver: 1, last: { content: 'd, edited' } })
  server.send({ cmd: 13, kind: 10, dstid: 1, userid: 5, ver: 2, change: 'recall', seq: 1 })
  expect(contents()).toEqual(['gone', 'b', 'c', 'd, edited'])
})
