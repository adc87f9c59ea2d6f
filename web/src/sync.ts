import { ApiError, call, page } from './api'
import { loadCommunities, loadInfo, loadMembers } from './communities'
import { loadContacts, loadRequests } from './contacts'
import { receive, type FrameListener } from './frames'
import { Outbox } from './outbox'
import { BrowserStorage } from './outboxdb'
import { Connection } from './socket'
import { dropCaches, myId, putConversation, store } from './store'
import { Timeline } from './timeline'
import { Code, type Conversation, type Frame, type Hello, type Profile, type Row } from './wire'

const PAGE = 50
const CATCH_UP_PAGE = 200
// Farther behind than this, starting again at the end is cheaper than fetching everything between.
const MOST_CAUGHT_UP = 600
const HOLE_AGE_MS = 1_000
const MOST_HOLE_TRIES = 5
const REFRESH_DELAY_MS = 150
const MOST_WATCHED = 200
const HELLO_PATIENCE_MS = 3_000
const RESYNC_DELAY_MS = 3_000

let stamp = ''
let epoch = ''
let ended: (code: number) => void = () => undefined
let greeted: () => void = () => undefined

/** Who hears that the server ended the session, and that a connection was greeted. */
export function onLink(listeners: { ended(code: number): void; greeted(): void }): void {
  ended = listeners.ended
  greeted = listeners.greeted
}

export const connection = new Connection(location.origin.replace(/^http/, 'ws') + '/chat', {
  stateChanged(state, retryAtMs) {
    store.connection = state
    store.retryAtMs = retryAtMs
    if (state !== 'online') outbox.disconnected()
  },
  hello: (frame) => void hello(frame),
  received: (frame: Frame) => receive(frame, listener),
  async refused() {
    try {
      await call<Profile>('/user/me')
      return true
    } catch (error) {
      return !(error instanceof ApiError && error.code === Code.notLoggedIn)
    }
  },
  ended: (code) => ended(code),
})

export const outbox = new Outbox(new BrowserStorage(), (frame) => connection.send(frame))

const listener: FrameListener = {
  outbox,
  holeSeen: (key) => holeSeen(key),
  unknownConversation: () => refresh('conversations'),
  changed: (what, communityId) => refresh(what, communityId),
}

/** Connects, and keeps the user's world current until `stopSync`. */
export async function startSync(): Promise<void> {
  await outbox.load(myId())
  connection.start()
  // HELLO loads everything; where sockets do not get through, the lists are shown all the same.
  setTimeout(() => {
    if (!store.listed && store.me !== null) void loadWorld().catch(() => undefined)
  }, HELLO_PATIENCE_MS)
}

export function stopSync(): void {
  connection.stop()
  outbox.disconnected()
  outbox.entries.splice(0)
  stamp = ''
  epoch = ''
}

async function loadWorld(): Promise<void> {
  await Promise.all([loadConversations(), loadContacts(), loadRequests(), loadCommunities()])
  watchPresence()
}

/** All conversations, or since the last stamp those that changed. */
async function loadConversations(): Promise<void> {
  const since = stamp === '' ? {} : { since: stamp }
  let after: number | string | null | undefined
  let newest = ''
  do {
    const cursor = after === undefined || after === null ? {} : { after }
    const answer = await page<Conversation>('/message/conversations', { ...since, ...cursor, limit: CATCH_UP_PAGE })
    answer.rows.forEach(putConversation)
    // The first page's stamp: what changes while the others are read must come again.
    newest ||= answer.stamp ?? ''
    after = answer.next
  } while (after !== null && after !== undefined)
  if (newest !== '') stamp = newest
  store.listed = true
}

async function hello(frame: Hello): Promise<void> {
  if (frame.userid !== myId()) {
    // Another tab logged in as somebody else: this page's world is not his.
    location.reload()
    return
  }
  if (epoch !== '' && frame.epoch !== epoch) {
    stamp = ''
    dropCaches()
  }
  epoch = frame.epoch
  store.limits = { ...store.limits, ...frame.limits }
  outbox.connected(store.limits.unacked)
  greeted()
  await resync()
}

/** Reads what happened without us. It is tried until it works: a page that missed something must not look current. */
async function resync(): Promise<void> {
  try {
    await loadWorld()
    await Promise.all([...store.timelines.keys()].map(catchUp))
  } catch {
    setTimeout(() => {
      if (store.connection === 'online') void resync()
    }, RESYNC_DELAY_MS)
  }
}

function where(key: string): { kind: number; dstid: number } {
  const [kind, dstid] = key.split(':')
  return { kind: Number(kind), dstid: Number(dstid) }
}

async function fetchRows(key: string, range: { before?: number; after?: number }, limit: number): Promise<Row[]> {
  const answer = await page<Row>('/message/history', { ...where(key), ...range, limit })
  const timeline = store.timelines.get(key)
  if (timeline && answer.first !== undefined) timeline.first = answer.first
  return answer.rows
}

/** The newest page of a conversation, unless it is on hand. Raises ApiError or NoAnswer. */
export async function openTimeline(key: string): Promise<void> {
  if (store.timelines.get(key)?.loaded) return
  if (!store.timelines.has(key)) store.timelines.set(key, new Timeline())
  const rows = await fetchRows(key, {}, PAGE)
  const timeline = store.timelines.get(key)
  if (timeline === undefined) return
  timeline.insert(rows)
  timeline.ver = store.conversations.get(key)?.ver ?? 0
  timeline.loaded = true
  if (timeline.holeAfter() !== null) holeSeen(key)
}

export async function loadOlder(key: string): Promise<void> {
  const timeline = store.timelines.get(key)
  if (!timeline?.hasOlder || timeline.loadingOlder) return
  timeline.loadingOlder = true
  try {
    const rows = await fetchRows(key, { before: timeline.bottomSeq }, PAGE)
    if (rows.length === 0) timeline.first = timeline.bottomSeq
    timeline.insert(rows)
  } finally {
    timeline.loadingOlder = false
  }
}

/** Brings a timeline on hand up to its conversation's end after a time without a socket. */
async function catchUp(key: string): Promise<void> {
  const timeline = store.timelines.get(key)
  const conversation = store.conversations.get(key)
  if (!timeline?.loaded || conversation === undefined) return
  if (conversation.ver !== timeline.ver || conversation.last_seq - timeline.topSeq > MOST_CAUGHT_UP) {
    const fresh = new Timeline()
    fresh.ver = conversation.ver
    const rows = await fetchRows(key, {}, PAGE)
    fresh.insert(rows)
    fresh.first = timeline.first
    fresh.loaded = true
    store.timelines.set(key, fresh)
    return
  }
  while (timeline.topSeq < conversation.last_seq) {
    const rows = await fetchRows(key, { after: timeline.topSeq }, CATCH_UP_PAGE)
    if (rows.length === 0) break
    timeline.insert(rows)
  }
}

const holes = new Set<string>()

/** Frames arrived past a hole: what is missing may be on its way, and is fetched when the hole is a second old. */
function holeSeen(key: string, tries = 0): void {
  if (holes.has(key) || tries >= MOST_HOLE_TRIES) return
  holes.add(key)
  setTimeout(async () => {
    holes.delete(key)
    const timeline = store.timelines.get(key)
    const below = timeline?.holeAfter()
    if (timeline === undefined || below === null || below === undefined) return
    try {
      timeline.insert(await fetchRows(key, { after: below }, CATCH_UP_PAGE))
    } catch {
      // Tried again below.
    }
    if (timeline.holeAfter() !== null) holeSeen(key, tries + 1)
  }, HOLE_AGE_MS * 2 ** tries)
}

const LOADERS = {
  conversations: loadConversations,
  contacts: loadContacts,
  requests: loadRequests,
  communities: loadCommunities,
  me: async () => {
    store.me = await call<Profile>('/user/me')
  },
}

export type Part = keyof typeof LOADERS | 'community'

const due = new Set<string>()

/** Reads a part of the world again, soon and once, however many notices ask for it. */
export function refresh(part: Part, communityId = 0): void {
  const name = part === 'community' ? `${part}:${communityId}` : part
  if (due.has(name)) return
  due.add(name)
  setTimeout(async () => {
    due.delete(name)
    if (store.me === null) return
    try {
      if (part !== 'community') await LOADERS[part]()
      else if (store.communities.has(communityId)) {
        await loadInfo(communityId)
        if (store.members.has(communityId)) await loadMembers(communityId)
      }
    } catch {
      // The next HELLO reads everything anyway.
    }
  }, REFRESH_DELAY_MS)
}

/** Tells the server whose presence is shown here: friends, and the members of the community `key` is. */
export function watchPresence(key = ''): void {
  const shown = new Set(store.contacts.keys())
  const { kind, dstid } = where(key)
  if (kind === 11) for (const member of store.members.get(dstid) ?? []) shown.add(member.userid)
  shown.delete(myId())
  if (shown.size > 0) connection.send({ cmd: 15, userids: [...shown].slice(0, MOST_WATCHED) })
}

export function nudge(): void {
  connection.nudge()
}
