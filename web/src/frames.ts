import { messageOf, type Outbox } from './outbox'
import { myId, noteRead, notePlaced, store } from './store'
import type { Part } from './sync'
import { Cmd, isGone, keyOfFrame, type Frame, type Kind, type Message } from './wire'

const TYPING_MS = 6_000

export interface FrameListener {
  outbox: Outbox
  /** The conversation's timeline misses a seq between two that it has. */
  holeSeen(key: string): void
  /** Something came for a conversation that is not in the list. */
  unknownConversation(): void
  changed(part: Part, communityId?: number): void
}

/** Applies one frame after HELLO to the store. What it does not know it ignores, as the contract asks. */
export function receive(frame: Frame, listener: FrameListener): void {
  switch (frame.cmd) {
    case Cmd.ack:
      acknowledged(frame as unknown as Ack, listener)
      break
    case Cmd.error:
      refused(frame as unknown as Refusal, listener)
      break
    case Cmd.single:
    case Cmd.community:
      arrived(frame as unknown as Message, listener)
      break
    case Cmd.read:
      read(frame as unknown as About & { seq: number })
      break
    case Cmd.change:
      changed(frame as unknown as Change)
      break
    case Cmd.typing:
      typing(frame as unknown as About)
      break
    case Cmd.presence:
      presence(frame)
      break
    case Cmd.notice:
      notice(frame, listener)
      break
  }
}

interface Ack {
  cid: string
  id: number
  seq: number
  createat: string
}

interface Refusal {
  code: number
  msg: string
  cid?: string
  retry_after_ms?: number
}

interface About {
  kind: Kind
  dstid: number
  userid: number
}

interface Change extends About {
  ver: number
  change: string
  seq: number
  content?: string
  edited?: string
  data?: { content?: string; edited?: string }
}

function keyOf(about: About): string {
  return keyOfFrame(about.kind, about.userid, about.dstid, myId())
}

/** Puts a stored message where its seq says. */
export function place(message: Message, listener: Pick<FrameListener, 'holeSeen' | 'unknownConversation'>): void {
  const key = keyOfFrame(message.cmd, message.userid, message.dstid, myId())
  if (!notePlaced(key, message)) listener.unknownConversation()
  const timeline = store.timelines.get(key)
  if (timeline === undefined) return
  timeline.insert([message])
  if (timeline.loaded && timeline.holeAfter() !== null) listener.holeSeen(key)
}

function acknowledged(ack: Ack, listener: FrameListener): void {
  const entry = listener.outbox.settled(ack.cid)
  if (entry !== undefined) place(messageOf(entry, ack), listener)
}

function refused(refusal: Refusal, listener: FrameListener): void {
  if (refusal.cid !== undefined) {
    listener.outbox.refused(refusal.cid, refusal.code, refusal.msg, refusal.retry_after_ms ?? null)
  }
}

function arrived(message: Message, listener: FrameListener): void {
  if (message.userid === myId() && message.cid !== undefined) listener.outbox.settled(message.cid)
  place(message, listener)
  store.typing.get(keyOfFrame(message.cmd, message.userid, message.dstid, myId()))?.delete(message.userid)
}

function read(frame: About & { seq: number }): void {
  const key = keyOf(frame)
  if (frame.userid === myId()) {
    noteRead(key, frame.seq)
    return
  }
  const conversation = store.conversations.get(key)
  if (conversation && frame.kind === Cmd.single) {
    conversation.peer_read = Math.max(conversation.peer_read ?? 0, frame.seq)
  }
}

function changed(change: Change): void {
  const key = keyOf(change)
  const conversation = store.conversations.get(key)
  if (conversation) conversation.ver = Math.max(conversation.ver, change.ver)
  const timeline = store.timelines.get(key)
  if (timeline) timeline.ver = Math.max(timeline.ver, change.ver)
  const row = timeline?.find(change.seq) ?? (conversation?.last?.seq === change.seq ? conversation.last : undefined)
  if (row === undefined || row === null || isGone(row)) return
  const after = changedRow(row, change)
  timeline?.replace(after)
  if (conversation?.last?.seq === change.seq) conversation.last = after
}

function changedRow(row: Message, change: Change): Message | { seq: number; gone: 'recalled' } {
  if (change.change === 'recall') return { seq: row.seq, gone: 'recalled' }
  const content = change.content ?? change.data?.content
  if (change.change !== 'edit' || content === undefined) return row
  return { ...row, content, edited: change.edited ?? change.data?.edited ?? new Date().toISOString() }
}

function typing(frame: About): void {
  if (frame.userid === myId()) return
  const key = keyOf(frame)
  const typists = store.typing.get(key) ?? new Map<number, number>()
  const untilMs = Date.now() + TYPING_MS
  typists.set(frame.userid, untilMs)
  store.typing.set(key, typists)
  setTimeout(() => {
    const current = store.typing.get(key)
    if (current?.get(frame.userid) === untilMs) current.delete(frame.userid)
  }, TYPING_MS)
}

interface PresenceRow {
  userid: number
  online: boolean
  last_seen?: string | null
}

function presence(frame: Frame): void {
  const rows = (Array.isArray(frame['rows']) ? frame['rows'] : [frame]) as PresenceRow[]
  for (const row of rows) {
    if (typeof row.userid !== 'number') continue
    store.presence.set(row.userid, { online: Boolean(row.online), lastSeen: row.last_seen ?? null })
  }
}

/** A notice only says where to look: the lists are the truth, and reading them again is right however often. */
function notice(frame: Frame, listener: FrameListener): void {
  const event = String(frame['event'] ?? '')
  const data = (typeof frame['data'] === 'object' && frame['data'] !== null ? frame['data'] : frame) as Frame
  if (event.startsWith('contact.')) {
    listener.changed('contacts')
    listener.changed('requests')
    listener.changed('conversations')
  } else if (event.startsWith('community.')) {
    listener.changed('communities')
    listener.changed('conversations')
    if (typeof data['dstid'] === 'number') listener.changed('community', data['dstid'])
  } else if (event === 'conversation.updated') {
    listener.changed('conversations')
  } else if (event === 'profile.updated') {
    listener.changed('me')
    listener.changed('contacts')
  } else if (event === 'session.added') {
    store.sessionChanges++
  }
}
