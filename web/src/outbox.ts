import { reactive, ref, toRaw } from 'vue'
import { uuid7 } from './cid'
import type { Outgoing, OutboxStorage } from './outboxdb'
import { Code, isFile, type FileInfo, type Frame, type Message } from './wire'

const ACK_WAIT_MS = 10_000
const LONGEST_WAIT_MS = 60_000
// The server is there, and says itself that it cannot: it is asked more often than one that is silent.
const LONGEST_BUSY_MS = 10_000
const MOST_SERVER_FAULTS = 4
const TICK_MS = 1_000

interface Flight {
  dueAtMs: number // when it is sent again without an answer
  open: boolean // sent on this socket and neither acknowledged nor refused
  tries: number
  busy: number // how often the server said 50301
}

/** What a file became on the server. */
export interface Uploaded {
  url: string
  pic: string
  file: FileInfo
}

/**
 * Every message that was written and not yet acknowledged, in the order of writing.
 * Silence and 50301 mean "outcome unknown": the same cid goes out again. Any other refusal is final and shown.
 * Behind a message that was told 50301, later ones to the same conversation wait until it is stored: they keep their order.
 */
export class Outbox {
  readonly entries: Outgoing[] = reactive([])
  /** The server is there and has said more than once that it cannot store what waits here. */
  readonly heldUp = ref(false)
  private readonly flights = new Map<string, Flight>()
  private mostOpen = 64
  private online = false
  private ticker: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly storage: OutboxStorage,
    private readonly send: (frame: Frame) => boolean,
  ) {}

  /** Brings back what an earlier page of this user could not finish. */
  async load(userId: number): Promise<void> {
    const kept = await this.storage.load(userId).catch(() => [])
    // The browser may have thrown the bytes away to make room.
    for (const entry of kept) if (entry.state === 'uploading' && !entry.blob) entry.state = 'failed'
    kept.sort((a, b) => (a.cid < b.cid ? -1 : 1))
    this.entries.splice(0, this.entries.length, ...kept)
  }

  async add(draft: Omit<Outgoing, 'cid' | 'createdAtMs' | 'state' | 'reason'>): Promise<Outgoing> {
    const entry: Outgoing = {
      ...draft,
      cid: uuid7(),
      createdAtMs: Date.now(),
      state: draft.blob === null ? 'sending' : 'uploading',
      reason: '',
    }
    this.entries.push(entry)
    // On disk first: from the moment that it may reach the server, a reload must know its cid.
    await this.keep(entry)
    this.pump()
    return this.find(entry.cid) ?? entry
  }

  find(cid: string): Outgoing | undefined {
    return this.entries.find((entry) => entry.cid === cid)
  }

  connected(mostOpen: number): void {
    this.mostOpen = Math.max(1, mostOpen)
    this.online = true
    clearInterval(this.ticker)
    this.ticker = setInterval(() => this.pump(), TICK_MS)
    this.pump()
  }

  disconnected(): void {
    this.online = false
    clearInterval(this.ticker)
    this.flights.clear()
    this.heldUp.value = false
  }

  /** The server stored it. Answers the entry, which is no longer ours, or undefined when it was not. */
  settled(cid: string): Outgoing | undefined {
    const entry = this.find(cid)
    this.forget(cid)
    // It can again: what else waits for that goes out at once.
    for (const flight of this.flights.values()) if (flight.busy > 0 && !flight.open) flight.dueAtMs = 0
    this.pump()
    return entry
  }

  /** The server said no to `cid`. */
  refused(cid: string, code: number, reason: string, retryAfterMs: number | null): void {
    const entry = this.find(cid)
    if (entry === undefined) return
    const tries = this.flights.get(cid)?.tries ?? 1
    const unknown = code === Code.busy || code === Code.tooManyRequests || code === Code.notLoggedIn
    if (unknown || (code === Code.ourFault && tries < MOST_SERVER_FAULTS)) {
      const busy = (this.flights.get(cid)?.busy ?? 0) + (code === Code.busy ? 1 : 0)
      const waitMs = retryAfterMs ?? Math.min(busy > 0 ? LONGEST_BUSY_MS : LONGEST_WAIT_MS, 1_000 * 2 ** tries)
      this.flights.set(cid, { dueAtMs: Date.now() + waitMs, open: false, tries, busy })
      this.look()
      return
    }
    this.flights.delete(cid)
    // The server keeps another message under this cid, so that this one needs its own.
    if (code === Code.otherBody) void this.rename(entry)
    this.failed(entry.cid, reason)
  }

  /** Shown as not sent, until the user tries again or discards it. */
  failed(cid: string, reason: string): void {
    const entry = this.find(cid)
    if (entry === undefined) return
    entry.state = 'failed'
    entry.reason = reason
    void this.keep(entry)
  }

  retry(cid: string): void {
    const entry = this.find(cid)
    if (entry === undefined) return
    this.flights.delete(cid)
    // Without its bytes, which the browser may have thrown away, there is nothing that could be sent.
    if (isFile(entry.media) && entry.url === '' && entry.blob === null) return
    entry.state = entry.blob === null ? 'sending' : 'uploading'
    entry.reason = ''
    void this.keep(entry)
    this.pump()
  }

  /** Keeps what was learned of an entry while its bytes are on their way. */
  async note(cid: string, learned: Partial<Pick<Outgoing, 'partial' | 'pic' | 'poster' | 'file'>>): Promise<void> {
    const entry = this.find(cid)
    if (entry === undefined) return
    Object.assign(entry, learned)
    await this.keep(entry)
  }

  async uploaded(cid: string, result: Uploaded & { media: number }): Promise<void> {
    const entry = this.find(cid)
    if (entry === undefined) return
    Object.assign(entry, result, { blob: null, poster: null, partial: '', state: 'sending', reason: '' })
    await this.keep(entry)
    this.pump()
  }

  discard(cid: string): void {
    this.forget(cid)
  }

  async clear(userId: number): Promise<void> {
    this.entries.splice(0)
    this.flights.clear()
    await this.storage.clear(userId).catch(() => undefined)
  }

  private pump(): void {
    this.look()
    if (!this.online) return
    const held = new Set<string>() // conversations in which a message was told to come again
    const now = Date.now()
    let open = 0
    for (const flight of this.flights.values()) if (flight.open) open++
    for (const entry of this.entries) {
      if (entry.state !== 'sending') continue
      const flight = this.flights.get(entry.cid)
      const place = `${entry.kind}:${entry.dstid}`
      if (held.has(place)) continue
      if (flight !== undefined && (flight.busy > 0 || !flight.open)) held.add(place)
      if (flight !== undefined && flight.dueAtMs > now) continue
      if (!flight?.open && open >= this.mostOpen) return
      if (!this.send(frameOf(entry))) return
      if (!flight?.open) open++
      const tries = (flight?.tries ?? 0) + 1
      const waitMs = Math.min(LONGEST_WAIT_MS, ACK_WAIT_MS * 2 ** (tries - 1))
      this.flights.set(entry.cid, { dueAtMs: now + waitMs, open: true, tries, busy: flight?.busy ?? 0 })
    }
  }

  private look(): void {
    this.heldUp.value = [...this.flights.values()].some((flight) => flight.busy > 1)
  }

  private async rename(entry: Outgoing): Promise<void> {
    const before = entry.cid
    entry.cid = uuid7()
    await this.storage.remove(before).catch(() => undefined)
  }

  private forget(cid: string): void {
    this.flights.delete(cid)
    const index = this.entries.findIndex((entry) => entry.cid === cid)
    if (index >= 0) this.entries.splice(index, 1)
    void this.storage.remove(cid).catch(() => undefined)
  }

  private async keep(entry: Outgoing): Promise<void> {
    const file = entry.file === null ? null : { ...toRaw(entry.file) }
    const plain = { ...toRaw(entry), file, mention: [...(entry.mention ?? [])] }
    // Without a disk the message still goes out; only a reload would lose it.
    await this.storage.put(plain).catch(() => undefined)
  }
}

function frameOf(entry: Outgoing): Frame {
  const frame: Frame = { cmd: entry.kind, dstid: entry.dstid, media: entry.media, cid: entry.cid }
  if (entry.content !== '') frame['content'] = entry.content
  if (entry.url !== '') frame['url'] = entry.url
  if (entry.pic !== '') frame['pic'] = entry.pic
  if (entry.file !== null) frame['file'] = entry.file
  if (entry.reply) frame['reply'] = entry.reply
  if (entry.mention?.length) frame['mention'] = entry.mention
  return frame
}

/** The stored message that an ACK makes of an entry. */
export function messageOf(entry: Outgoing, ack: { id: number; seq: number; createat: string }): Message {
  const message: Message = {
    id: ack.id,
    userid: entry.userid,
    cmd: entry.kind,
    dstid: entry.dstid,
    media: entry.media,
    cid: entry.cid,
    seq: ack.seq,
    createat: ack.createat,
  }
  if (entry.content !== '') message.content = entry.content
  if (entry.url !== '') message.url = entry.url
  if (entry.pic !== '') message.pic = entry.pic
  if (entry.file !== null) message.file = { ...toRaw(entry.file) }
  if (entry.reply) message.reply = entry.reply
  if (entry.mention?.length) message.mention = [...entry.mention]
  return message
}
