import { page } from './api'
import { changedRow } from './changes'
import { myId, store } from './store'
import { Timeline } from './timeline'
import type { Change, Row } from './wire'

const PAGE = 50
const CATCH_UP_PAGE = 200
// Farther behind than this, starting again at the end is cheaper than fetching everything between.
const MOST_CAUGHT_UP = 600
const MOST_CHANGE_PAGES = 5
const HOLE_AGE_MS = 1_000
const MOST_HOLE_TRIES = 5
// The way back to an old message is shown whole, so that it must not be endless.
const MOST_WAY_BACK = 4_000

/** The conversation that a key names, as calls want it. */
export function where(key: string): { kind: number; dstid: number } {
  const [kind, dstid] = key.split(':')
  return { kind: Number(kind), dstid: Number(dstid) }
}

interface Range {
  before?: number
  after?: number
}

/** Reads rows into `timeline`, brought up to the changes that happened while they were on their way. */
async function read(key: string, timeline: Timeline, range: Range, limit: number): Promise<Row[]> {
  const answer = await page<Row>('/message/history', { ...where(key), ...range, limit })
  const ver = answer.ver ?? 0
  const { changes } = timeline
  const missed = changes.ver === null ? changes.start(ver) : changes.since(ver)
  const rows = missed === null ? answer.rows : answer.rows.map((row) => missed.reduce(after, row))
  if (answer.first !== undefined) timeline.beginAt(answer.first, answer.expired)
  timeline.insert(rows.filter((row) => row.seq >= timeline.first))
  if (missed === null && !(await readChanges(key, timeline, ver))) store.timelines.delete(key)
  return rows
}

function after(row: Row, change: Change): Row {
  return changedRow(row, change, myId())
}

/** The newest page of a conversation, unless it is on hand. Raises ApiError or NoAnswer. */
export async function openTimeline(key: string): Promise<void> {
  const known = store.timelines.get(key)
  if (known?.loaded) return
  if (known === undefined) store.timelines.set(key, new Timeline())
  const timeline = store.timelines.get(key)!
  timeline.deletedBefore = store.conversations.get(key)?.deleted ?? 0
  await read(key, timeline, {}, PAGE)
  timeline.loaded = true
  lookForHoles(key)
}

const olderOnTheirWay = new Map<string, Promise<void>>()

/** The page before what is on hand; a page that is on its way is waited for instead. Raises ApiError or NoAnswer. */
export function loadOlder(key: string, limit = PAGE): Promise<void> {
  const loading = olderOnTheirWay.get(key) ?? readOlder(key, limit).finally(() => olderOnTheirWay.delete(key))
  olderOnTheirWay.set(key, loading)
  return loading
}

async function readOlder(key: string, limit: number): Promise<void> {
  const timeline = store.timelines.get(key)
  if (!timeline?.hasOlder) return
  timeline.loadingOlder = true
  try {
    const rows = await read(key, timeline, { before: timeline.bottomSeq }, limit)
    if (rows.length === 0) timeline.first = timeline.bottomSeq
  } finally {
    timeline.loadingOlder = false
  }
}

/** Reads back until `seq` is on hand. False: it is not in my window, or too far away. Raises ApiError or NoAnswer. */
export async function loadBackTo(key: string, seq: number): Promise<boolean> {
  for (;;) {
    const timeline = store.timelines.get(key)
    if (!timeline?.loaded || timeline.topSeq - seq > MOST_WAY_BACK) return false
    if (timeline.bottomSeq <= seq) return timeline.find(seq) !== undefined
    if (!timeline.hasOlder) return false
    await loadOlder(key, CATCH_UP_PAGE)
  }
}

const quotes = new Map<string, Promise<Row | null>>()

/** One message that another one quotes; null where it is not mine to see. Asked for once. */
export function quotedRow(key: string, seq: number): Promise<Row | null> {
  const name = `${key} ${seq}`
  const asked = quotes.get(name)
  if (asked !== undefined) return asked
  const answer = page<Row>('/message/history', { ...where(key), after: seq - 1, limit: 1 }).then(
    ({ rows }) => rows.find((row) => row.seq === seq) ?? null,
    () => {
      quotes.delete(name)
      return null
    },
  )
  quotes.set(name, answer)
  return answer
}

export function forgetQuotes(): void {
  quotes.clear()
}

/** Brings a timeline on hand up to its conversation's end after a time without a socket. */
export async function catchUp(key: string): Promise<void> {
  const timeline = store.timelines.get(key)
  const conversation = store.conversations.get(key)
  if (!timeline?.loaded || conversation === undefined) return
  const far = conversation.last_seq - timeline.endSeq > MOST_CAUGHT_UP
  // What I deleted on another device meanwhile is only told as a number.
  const fewer = (conversation.deleted ?? 0) !== timeline.deletedBefore + timeline.deletedSince.size
  if (far || fewer || !(await readChanges(key, timeline, timeline.changes.ver ?? 0))) {
    // Whoever shows it opens it again, at its end.
    store.timelines.delete(key)
    return
  }
  // Frames that arrive meanwhile stand above the rest: only what has no hole below it counts.
  for (let from = -1; from < timeline.endSeq && timeline.endSeq < conversation.last_seq; ) {
    from = timeline.endSeq
    await read(key, timeline, { after: from }, CATCH_UP_PAGE)
  }
}

/** Applies what the server tells of the changes after `since`. False: there were too many to go through. */
async function readChanges(key: string, timeline: Timeline, since: number): Promise<boolean> {
  let from: number | null = since
  for (let pages = 0; from !== null; pages++) {
    if (pages === MOST_CHANGE_PAGES) return false
    const answer: { rows: Change[]; ver?: number; next?: number | string | null } = await page<Change>(
      '/message/changes',
      { ...where(key), since: from, limit: CATCH_UP_PAGE },
    )
    const next: number = answer.ver ?? since
    const known = timeline.changes.ver ?? 0
    const again = answer.rows.filter((change) => change.ver <= known)
    show(key, timeline, [...again, ...timeline.changes.readUpTo(next, answer.rows)])
    from = answer.next && next > from ? next : null
  }
  return true
}

/** Shows changes where their messages are on hand, in the list of chats too. */
function show(key: string, timeline: Timeline | undefined, changes: readonly Change[]): void {
  const conversation = store.conversations.get(key)
  for (const change of changes) {
    const row = change.seq === undefined ? undefined : timeline?.find(change.seq)
    if (row) timeline!.replace(after(row, change))
    if (conversation?.last) conversation.last = after(conversation.last, change)
  }
}

/** A CHANGE arrived. It is shown when all before it are. */
export function noteChange(key: string, change: Change): void {
  const conversation = store.conversations.get(key)
  if (conversation) conversation.ver = Math.max(conversation.ver, change.ver)
  if (change.seq !== undefined && change.change !== 'react') quotes.delete(`${key} ${change.seq}`)
  const timeline = store.timelines.get(key)
  if (timeline === undefined) return show(key, undefined, [change])
  show(key, timeline, timeline.changes.take(change))
  lookForHoles(key)
}

/** Messages that I deleted for myself, here or on another device. */
export function noteDeleted(key: string, seqs: readonly number[]): void {
  const timeline = store.timelines.get(key)
  const last = store.conversations.get(key)?.last
  for (const seq of seqs) {
    timeline?.deletedSince.add(seq)
    timeline?.replace({ seq, gone: 'deleted' })
    if (last?.seq === seq) store.conversations.get(key)!.last = { seq, gone: 'deleted' }
  }
}

const holes = new Set<string>()

/** What is missing between rows or changes may be on its way, and is fetched when the hole is a second old. */
export function lookForHoles(key: string, tries = 0): void {
  const timeline = store.timelines.get(key)
  if (!timeline?.loaded || holes.has(key) || tries >= MOST_HOLE_TRIES) return
  if (timeline.holeAfter() === null && !timeline.changes.hasHole) return
  holes.add(key)
  setTimeout(async () => {
    holes.delete(key)
    const current = store.timelines.get(key)
    if (current === undefined) return
    const below = current.holeAfter()
    try {
      if (below !== null) await read(key, current, { after: below }, CATCH_UP_PAGE)
      if (current.changes.hasHole) await readChanges(key, current, current.changes.ver ?? 0)
    } catch {
      // Tried again below.
    }
    lookForHoles(key, current.holeAfter() === below ? tries + 1 : 0)
  }, HOLE_AGE_MS * 2 ** tries)
}
