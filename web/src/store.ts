import { computed, reactive } from 'vue'
import type { Draft } from './composing'
import type { ConnectionState } from './socket'
import { Timeline } from './timeline'
import {
  conversationKey,
  type Community,
  type Contact,
  type ContactRequest,
  type Conversation,
  type Limits,
  type Member,
  type Message,
  type Profile,
} from './wire'

export interface Person {
  nickname: string
  avatar: string
}

export interface Presence {
  online: boolean
  lastSeen: string | null
}

interface State {
  me: Profile | null
  connection: ConnectionState
  retryAtMs: number
  /** False until the first conversation list came: skeletons are shown. */
  listed: boolean
  limits: Limits
  /** How far the server's clock is ahead of ours. */
  clockAheadMs: number
  /** {conversation key: conversation}; keys are "10:<user>" and "11:<community>" */
  conversations: Map<string, Conversation>
  timelines: Map<string, Timeline>
  contacts: Map<number, Contact>
  requests: ContactRequest[]
  communities: Map<number, Community>
  /** {community id: members}, for those that were looked at */
  members: Map<number, Member[]>
  people: Map<number, Person>
  presence: Map<number, Presence>
  /** {conversation key: {user id: when it stops counting, ms}} */
  typing: Map<string, Map<number, number>>
  /** {cid: share of a file's bytes that are up} */
  progress: Map<string, number>
  /** {cid: object URL of a picture, video or recording that this page sent} */
  previews: Map<string, string>
  /** {conversation key: what is being written there} */
  drafts: Map<string, Draft>
  /** Counts NOTICEs about log-ins, so that the list of devices can follow. */
  sessionChanges: number
}

export const DEFAULT_LIMITS: Limits = {
  content_bytes: 60_000,
  frame_bytes: 393_216,
  unacked: 64,
  per_minute: 600,
  recall_s: 120,
  upload_bytes: 10 * 1024 * 1024,
  voice_bytes: 10 * 1024 * 1024,
  video_bytes: 100 * 1024 * 1024,
  file_bytes: 100 * 1024 * 1024,
}

function empty(): State {
  return {
    me: null,
    connection: 'connecting',
    retryAtMs: 0,
    listed: false,
    limits: { ...DEFAULT_LIMITS },
    clockAheadMs: 0,
    conversations: new Map(),
    timelines: new Map(),
    contacts: new Map(),
    requests: [],
    communities: new Map(),
    members: new Map(),
    people: new Map(),
    presence: new Map(),
    typing: new Map(),
    progress: new Map(),
    previews: new Map(),
    drafts: new Map(),
    sessionChanges: 0,
  }
}

export const store = reactive(empty()) as State

/** Forgets everything of the user who was here. */
export function resetStore(): void {
  for (const url of store.previews.values()) URL.revokeObjectURL(url)
  Object.assign(store, empty())
}

/** Forgets what came from the database, which is another one now; unsent messages and drafts stay. */
export function dropCaches(): void {
  const { conversations, timelines, contacts, requests, communities, members, people, presence, listed } = empty()
  Object.assign(store, { conversations, timelines, contacts, requests, communities, members, people, presence, listed })
}

export function myId(): number {
  return store.me?.id ?? 0
}

/** With nothing to see a conversation is only listed while it is pinned, and the notebook always. */
function isListed({ kind, dstid, first, last_seq, pinned }: Conversation): boolean {
  return first <= last_seq || Boolean(pinned) || (kind === 10 && dstid === myId())
}

/** What the list of chats shows, in its order: pinned ones, then the newest messages. */
export const conversationList = computed(() =>
  [...store.conversations.values()]
    .filter((conversation) => !conversation.left && isListed(conversation))
    .sort((a, b) => {
      if (Boolean(a.pinned) !== Boolean(b.pinned)) return a.pinned ? -1 : 1
      const [before, after] = [a.active ?? '', b.active ?? '']
      return before === after ? 0 : before < after ? 1 : -1
    }),
)

export const unreadTotal = computed(() => {
  let total = 0
  for (const conversation of store.conversations.values()) {
    if (!conversation.left && !conversation.muted) total += conversation.unread
  }
  return total
})

export const incomingRequests = computed(() => store.requests.filter((request) => request.direction === 'in'))

/** Takes a conversation as the server tells it. One that I left stays readable, but leaves the list. */
export function putConversation(row: Conversation): void {
  const key = conversationKey(row.kind, row.dstid)
  const known = store.conversations.get(key)
  if (row.left && known) known.left = true
  else if (!row.left || row.last_seq) store.conversations.set(key, row)
  if (!row.left) store.timelines.get(key)?.beginAt(row.first, row.expired)
}

/** Moves the conversation's end and unread count for a stored message. False: the conversation is not known here. */
export function notePlaced(key: string, message: Message): boolean {
  const conversation = store.conversations.get(key)
  if (conversation === undefined) return false
  if (message.seq <= conversation.last_seq) return true
  // Everything up to here counts as seen: unread is last_seq minus this.
  const seenSeq = conversation.last_seq - conversation.unread
  conversation.last_seq = message.seq
  conversation.last = message
  conversation.active = message.createat
  const mine = message.userid === myId() && message.event === undefined
  conversation.unread = mine ? 0 : message.seq - seenSeq
  if (mine) conversation.mentioned = false
  else if (message.mention?.includes(myId())) conversation.mentioned = true
  return true
}

/** I read up to `seq`, here or on another device. */
export function noteRead(key: string, seq: number): void {
  const conversation = store.conversations.get(key)
  if (conversation === undefined || seq <= conversation.read_seq) return
  const seenSeq = Math.max(conversation.last_seq - conversation.unread, seq)
  conversation.read_seq = seq
  conversation.unread = Math.max(0, conversation.last_seq - seenSeq)
  if (conversation.unread === 0) conversation.mentioned = false
}
