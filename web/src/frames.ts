import { lookForHoles, noteChange, noteDeleted } from './history'
import { messageOf, type Outbox } from './outbox'
import { lookUpAgain } from './people'
import { myId, noteRead, notePlaced, store } from './store'
import type { Part } from './sync'
import { Cmd, conversationKey, keyOfFrame, type Change, type Frame, type Kind, type Message } from './wire'

const TYPING_MS = 6_000

export interface FrameListener {
  outbox: Outbox
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
      noteChange(keyOf(frame as unknown as About), frame as unknown as Change)
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

function keyOf(about: About): string {
  return keyOfFrame(about.kind, about.userid, about.dstid, myId())
}

/** Puts a stored message where its seq says. */
function place(message: Message, listener: FrameListener): void {
  const key = keyOfFrame(message.cmd, message.userid, message.dstid, myId())
  if (!notePlaced(key, message)) listener.unknownConversation()
  const timeline = store.timelines.get(key)
  if (timeline === undefined) return
  timeline.insert([message])
  lookForHoles(key)
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
    const deleted = data['deleted']
    if (Array.isArray(deleted)) noteDeleted(conversationKey(Number(data['kind']), Number(data['dstid'])), deleted as number[])
    listener.changed('conversations')
  } else if (event === 'profile.updated') {
    listener.changed('me')
    listener.changed('contacts')
    if (typeof data['userid'] === 'number') lookUpAgain(data['userid'])
  } else if (event === 'session.added') {
    store.sessionChanges++
  }
}
