import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { messageOf, Outbox } from '../src/outbox'
import { MemoryStorage } from '../src/outboxdb'
import { Code, type Frame } from '../src/wire'

const DRAFT = { userid: 1, kind: 10, dstid: 5, media: 1, url: '', pic: '', file: null, blob: null } as const

let sent: Frame[] = []
let storage = new MemoryStorage()
const outbox = (): Outbox => new Outbox(storage, (frame) => sent.push(frame) > 0)

beforeEach(() => {
  vi.useFakeTimers()
  sent = []
  storage = new MemoryStorage()
})
afterEach(() => vi.useRealTimers())

test('what was written without a connection goes out with the next one, in order, with reply and mention', async () => {
  const box = outbox()
  await box.add({ ...DRAFT, content: 'one', reply: 3, mention: [7] })
  await box.add({ ...DRAFT, content: 'two' })
  expect(sent).toEqual([])
  box.connected(64)
  expect(sent).toMatchObject([{ content: 'one', reply: 3, mention: [7] }, { content: 'two' }])
  expect(sent[1]).not.toHaveProperty('reply')
})

test('without an answer the same cid goes out again, and after a reload too', async () => {
  const box = outbox()
  box.connected(64)
  await box.add({ ...DRAFT, content: 'one' })
  await vi.advanceTimersByTimeAsync(11_000)
  expect(sent.length).toBe(2)
  box.disconnected()
  const reloaded = outbox()
  await reloaded.load(1)
  reloaded.connected(64)
  expect(new Set(sent.map(({ cid }) => cid)).size).toBe(1)
  expect(sent.length).toBe(3)
})

test('an acknowledged message leaves, on disk too, and becomes what the timeline shows', async () => {
  const box = outbox()
  box.connected(64)
  const { cid } = await box.add({ ...DRAFT, content: 'one', reply: 3 })
  const entry = box.settled(cid)!
  expect(messageOf(entry, { id: 9, seq: 4, createat: 'now' })).toMatchObject({ id: 9, seq: 4, cid, content: 'one', reply: 3 })
  expect(box.entries).toEqual([])
  expect(await storage.load(1)).toEqual([])
})

test('busy means unknown and is tried again; a refusal is shown and waits for the user', async () => {
  const box = outbox()
  box.connected(64)
  const { cid } = await box.add({ ...DRAFT, content: 'one' })
  box.refused(cid, Code.busy, 'busy', 2_000)
  expect(box.find(cid)?.state).toBe('sending')
  await vi.advanceTimersByTimeAsync(3_000)
  expect(sent.length).toBe(2)
  box.refused(cid, Code.notFriends, 'You are not friends.', null)
  expect(box.find(cid)).toMatchObject({ state: 'failed', reason: 'You are not friends.' })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent.length).toBe(2)
  box.retry(cid)
  expect(sent.length).toBe(3)
})

test('while a message waits for another try, later ones to the same chat wait behind it', async () => {
  const box = outbox()
  box.connected(64)
  const first = await box.add({ ...DRAFT, content: 'one' })
  box.refused(first.cid, Code.busy, 'busy', null)
  expect(box.heldUp.value).toBe(false)
  await box.add({ ...DRAFT, content: 'two' })
  await box.add({ ...DRAFT, dstid: 6, content: 'elsewhere' })
  expect(sent.map(({ content }) => content)).toEqual(['one', 'elsewhere'])
  await vi.advanceTimersByTimeAsync(3_000)
  box.refused(first.cid, Code.busy, 'busy', null)
  expect(box.heldUp.value).toBe(true)
  await vi.advanceTimersByTimeAsync(5_000)
  box.settled(first.cid)
  expect(box.heldUp.value).toBe(false)
  expect(sent.map(({ content }) => content)).toEqual(['one', 'elsewhere', 'one', 'one', 'two'])
})

test('a server that was busy and stores again gets at once what else waits', async () => {
  const box = outbox()
  box.connected(64)
  const [one, two] = [await box.add({ ...DRAFT, content: 'one' }), await box.add({ ...DRAFT, dstid: 6, content: 'two' })]
  box.refused(one.cid, Code.busy, 'busy', 9_000)
  box.refused(two.cid, Code.busy, 'busy', 9_000)
  box.settled(one.cid)
  expect(sent.map(({ content }) => content)).toEqual(['one', 'two', 'two'])
})

test('no more messages are open than the server allows', async () => {
  const box = outbox()
  box.connected(2)
  const cids: string[] = []
  for (const content of ['one', 'two', 'three']) cids.push((await box.add({ ...DRAFT, content })).cid)
  expect(sent.length).toBe(2)
  box.settled(cids[0]!)
  expect(sent.map(({ content }) => content)).toEqual(['one', 'two', 'three'])
})

const FILE = { ...DRAFT, content: '', media: 10, file: { name: 'a.zip', size: 3 }, blob: new Blob(['abc']) }

test('a file waits for its bytes, remembers how far they are, and becomes what the server found', async () => {
  const box = outbox()
  box.connected(64)
  const { cid } = await box.add(FILE)
  expect(sent).toEqual([])
  await box.note(cid, { partial: 'p1' })
  const reloaded = outbox()
  await reloaded.load(1)
  expect(reloaded.find(cid)).toMatchObject({ state: 'uploading', partial: 'p1', blob: FILE.blob })
  reloaded.connected(64)
  await reloaded.uploaded(cid, { media: 8, url: '/resource/a', pic: '/resource/b', file: { name: 'a.zip', duration: 5 } })
  expect(sent).toMatchObject([{ cid, media: 8, url: '/resource/a', pic: '/resource/b', file: { duration: 5 } }])
  expect(await storage.load(1)).toMatchObject([{ blob: null, partial: '' }])
})

test('a file whose bytes the browser threw away is never sent without them', async () => {
  const box = outbox()
  const { cid } = await box.add(FILE)
  await storage.put({ ...box.find(cid)!, blob: null })
  const reloaded = outbox()
  await reloaded.load(1)
  reloaded.connected(64)
  expect(reloaded.find(cid)?.state).toBe('failed')
  reloaded.retry(cid)
  expect(reloaded.find(cid)?.state).toBe('failed')
  expect(sent).toEqual([])
})
