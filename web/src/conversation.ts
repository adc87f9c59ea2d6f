import { call } from './api'
import { clearDraft, type Draft } from './composing'
import { cleaned } from './format'
import { where } from './history'
import { mentionedIn } from './mention'
import { sendFile } from './sending'
import { myId, noteRead, store } from './store'
import { connection, outbox } from './sync'
import { Cmd, Media, type Conversation, type Kind } from './wire'

const TYPING_EVERY_MS = 3_000
const READ_DELAY_MS = 250

/** The conversation of `key`; one that the server has not listed yet is made up, so that it can be opened. */
export function conversationOf(key: string): Conversation {
  const known = store.conversations.get(key)
  if (known) return known
  const [kind, dstid] = key.split(':')
  return {
    kind: Number(kind) as Kind,
    dstid: Number(dstid),
    title: '',
    avatar: '',
    first: 0,
    last_seq: 0,
    read_seq: 0,
    unread: 0,
    ver: 0,
  }
}

/** Sends what is written, with whom it names and what it answers. */
export async function sendDraft(key: string, draft: Draft): Promise<void> {
  const { kind, dstid } = where(key)
  const content = cleaned(draft.text).trim()
  if (content === '') return
  const { reply } = draft
  const mention = kind === Cmd.community ? mentionedIn(content, draft.named) : []
  clearDraft(key)
  const blank = { url: '', pic: '', file: null, blob: null }
  await outbox.add({ userid: myId(), kind: kind as Kind, dstid, media: Media.text, content, reply, mention, ...blank })
}

export async function sendSticker(kind: Kind, dstid: number, url: string): Promise<void> {
  await outbox.add({ userid: myId(), kind, dstid, media: Media.picture, content: '', url, pic: '', file: null, blob: null })
}

export async function sendFiles(kind: Kind, dstid: number, files: readonly File[]): Promise<void> {
  for (const file of files) await sendFile(kind, dstid, file)
}

const readTimers = new Map<string, ReturnType<typeof setTimeout>>()

/** I see everything up to the conversation's end. */
export function markRead(key: string): void {
  const conversation = store.conversations.get(key)
  if (conversation === undefined || conversation.unread === 0 || readTimers.has(key)) return
  readTimers.set(
    key,
    setTimeout(() => {
      readTimers.delete(key)
      const seq = conversation.last_seq
      const { kind, dstid } = conversation
      noteRead(key, seq)
      if (connection.send({ cmd: Cmd.read, kind, dstid, seq })) return
      // Best effort: the next connection's list tells what the server knows, and what is seen then is told again.
      void call('/message/read', { kind, dstid, seq }).catch(() => undefined)
    }, READ_DELAY_MS),
  )
}

let typingToldMs = 0

/** Lets the other side see that I write, at most every few seconds. */
export function tellTyping(kind: Kind, dstid: number): void {
  if (kind === Cmd.single && dstid === myId()) return
  const now = Date.now()
  if (now - typingToldMs < TYPING_EVERY_MS) return
  if (connection.send({ cmd: Cmd.typing, kind, dstid })) typingToldMs = now
}

export async function setPinned(key: string, pinned: boolean): Promise<void> {
  await call('/message/pin', { ...where(key), pinned })
  const conversation = store.conversations.get(key)
  if (conversation) conversation.pinned = pinned
}

export async function setMuted(key: string, muted: boolean): Promise<void> {
  await call('/message/mute', { ...where(key), muted })
  const conversation = store.conversations.get(key)
  if (conversation) conversation.muted = muted
}

/** Takes everything up to now out of my sight, and of nobody else's. */
export async function clearHistory(key: string): Promise<void> {
  const { seq } = await call<{ seq: number }>('/message/clear', where(key))
  store.timelines.get(key)?.beginAt(seq + 1)
  const conversation = store.conversations.get(key)
  if (conversation === undefined) return
  conversation.first = Math.max(conversation.first, seq + 1)
  if ((conversation.last?.seq ?? 0) <= seq) conversation.last = null
  noteRead(key, seq)
}
