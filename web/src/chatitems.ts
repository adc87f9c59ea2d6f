import { dayOf } from './format'
import type { Outgoing } from './outboxdb'
import { isGone, Media, type FileInfo, type Message, type Reaction, type Row } from './wire'

export type SendState = 'uploading' | 'sending' | 'failed' | 'sent' | 'read'

/** A message as the list shows it, stored or not. */
export interface Shown {
  cid: string
  /** 0 until it is stored. */
  seq: number
  userid: number
  media: number
  content: string
  url: string
  pic: string
  file: FileInfo | null
  time: string | number
  own: boolean
  state: SendState
  reason: string
  edited: boolean
  /** The seq of the message that it answers, or 0. */
  reply: number
  mention: readonly number[]
  reactions: readonly Reaction[]
  /** First and last of a run of one sender's messages. */
  first: boolean
  last: boolean
}

export type Item =
  | { type: 'day'; key: string; time: string | number }
  | { type: 'new'; key: string }
  | { type: 'system'; key: string; seq: number; message: Message }
  | { type: 'gone'; key: string; seq: number }
  | { type: 'message'; key: string; shown: Shown }

export interface Perspective {
  myId: number
  /** The other side of a single chat has read up to here. */
  peerReadSeq: number
  /** Above the first message of others past this seq stands the divider; null: none. */
  newAfterSeq: number | null
}

const RUN_MS = 5 * 60_000

/** What a row was shown as last: an unchanged message stays the same object, so that its bubble is not drawn anew. */
const shownBefore = new WeakMap<Row, Shown>()

function kept(row: Row, shown: Shown): Shown {
  const before = shownBefore.get(row)
  const same = before !== undefined && before.own === shown.own && before.state === shown.state
  if (same && before.first === shown.first && before.last === shown.last) return before
  shownBefore.set(row, shown)
  return shown
}

function stored(message: Message, { myId, peerReadSeq }: Perspective): Shown {
  const own = message.userid === myId
  return {
    cid: message.cid ?? '',
    seq: message.seq,
    userid: message.userid,
    media: message.media,
    content: message.content ?? '',
    url: message.url ?? '',
    pic: message.pic ?? '',
    file: message.file ?? null,
    time: message.createat,
    own,
    state: own && message.seq <= peerReadSeq ? 'read' : 'sent',
    reason: '',
    edited: Boolean(message.edited),
    reply: message.reply ?? 0,
    mention: message.mention ?? [],
    reactions: message.reactions ?? [],
    first: true,
    last: true,
  }
}

function unsent(entry: Outgoing): Shown {
  return {
    cid: entry.cid,
    seq: 0,
    userid: entry.userid,
    media: entry.media,
    content: entry.content,
    url: entry.url,
    pic: entry.pic,
    file: entry.file,
    time: entry.createdAtMs,
    own: true,
    state: entry.state,
    reason: entry.reason,
    edited: false,
    reply: entry.reply ?? 0,
    mention: entry.mention ?? [],
    reactions: [],
    first: true,
    last: true,
  }
}

function timeMs(time: string | number): number {
  return typeof time === 'number' ? time : new Date(time).getTime()
}

/** Rows and unsent messages with day separators, the divider of new ones, and runs of one sender joined. */
export function chatItems(rows: readonly Row[], outgoing: readonly Outgoing[], view: Perspective): Item[] {
  const items: Item[] = []
  const messages: { item: Extract<Item, { type: 'message' }>; row: Row }[] = []
  let day = 0
  let before: Shown | null = null
  let divided = view.newAfterSeq === null

  const startOfDay = (time: string | number): void => {
    const current = dayOf(time)
    if (current === day) return
    day = current
    before = null
    items.push({ type: 'day', key: `day ${current}`, time })
  }
  const divide = (seq: number, own: boolean): void => {
    if (divided || seq <= view.newAfterSeq! || own) return
    divided = true
    before = null
    items.push({ type: 'new', key: 'new' })
  }
  const push = (shown: Shown, row?: Row): void => {
    startOfDay(shown.time)
    if (shown.seq > 0) divide(shown.seq, shown.own)
    if (before && before.userid === shown.userid && timeMs(shown.time) - timeMs(before.time) < RUN_MS) {
      before.last = false
      shown.first = false
    }
    before = shown
    // One key from writing to stored, so that the bubble stays the same element.
    const key = shown.own && shown.cid ? `c ${shown.cid}` : `s ${shown.seq}`
    const item = { type: 'message' as const, key, shown }
    items.push(item)
    if (row) messages.push({ item, row })
  }

  for (const row of rows) {
    if (isGone(row)) {
      if (row.gone !== 'recalled') continue
      before = null
      items.push({ type: 'gone', key: `s ${row.seq}`, seq: row.seq })
    } else if (row.media === Media.system) {
      startOfDay(row.createat)
      divide(row.seq, false)
      before = null
      items.push({ type: 'system', key: `s ${row.seq}`, seq: row.seq, message: row })
    } else {
      push(stored(row, view), row)
    }
  }
  // Stored, and read from the history before its ACK came: another tab sent it, or a cut swallowed the ACK.
  const known = new Set(outgoing.length > 0 ? messages.map(({ item }) => item.shown.own && item.shown.cid) : [])
  for (const entry of outgoing) if (!known.has(entry.cid)) push(unsent(entry))
  for (const { item, row } of messages) item.shown = kept(row, item.shown)
  return items
}
