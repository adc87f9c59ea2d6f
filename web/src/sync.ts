import { ApiError, call, page } from './api'
import { loadCommunities, loadInfo, loadMembers } from './communities'
import { loadContacts, loadRequests } from './contacts'
import { receive, type FrameListener } from './frames'
import { catchUp, forgetQuotes, where } from './history'
import { Outbox } from './outbox'
import { BrowserStorage } from './outboxdb'
import { Connection } from './socket'
import { dropCaches, myId, putConversation, store } from './store'
import { Code, type Conversation, type Frame, type Hello, type Profile } from './wire'

const LIST_PAGE = 200
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
  forgetQuotes()
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
    const answer = await page<Conversation>('/message/conversations', { ...since, ...cursor, limit: LIST_PAGE })
    answer.rows.forEach(putConversation)
    // The first page's stamp: what changes while the others are read must come again.
    newest ||= answer.stamp ?? ''
    // The newest chats are shown while the others are on their way.
    store.listed = true
    after = answer.next
  } while (after !== null && after !== undefined)
  if (newest !== '') stamp = newest
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
    forgetQuotes()
  }
  epoch = frame.epoch
  store.clockAheadMs = Date.parse(frame.time) - Date.now() || 0
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

const LOADERS = {
  conversations: loadConversations,
  contacts: async () => {
    await loadContacts()
    watchPresence()
  },
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

let openKey = ''

/** Tells the server whose presence is shown here: of the conversation that is open (given anew by `key`), and of friends. */
export function watchPresence(key = openKey): void {
  openKey = key
  const { kind, dstid } = where(key)
  const shown = new Set<number>(kind === 10 ? [dstid] : [])
  if (kind === 11) for (const member of store.members.get(dstid) ?? []) shown.add(member.userid)
  for (const userId of store.contacts.keys()) shown.add(userId)
  shown.delete(myId())
  if (shown.size > 0) connection.send({ cmd: 15, userids: [...shown].slice(0, MOST_WATCHED) })
}

export function nudge(): void {
  connection.nudge()
}
