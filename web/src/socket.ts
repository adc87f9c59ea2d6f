import { Cmd, type Frame, type Hello } from './wire'

export type ConnectionState = 'connecting' | 'online' | 'waiting' | 'stopped'

export interface ConnectionListener {
  /** `retryAtMs` is when the next attempt starts, while waiting. */
  stateChanged(state: ConnectionState, retryAtMs: number): void
  hello(frame: Hello): void
  received(frame: Frame): void
  /** A socket ended before HELLO, where a browser hides the reason. Answers whether trying again makes sense. */
  refused(): Promise<boolean>
  /** The server said not to come back: a close code from 4500 on. */
  ended(code: number): void
}

/** What of a browser's WebSocket is used, so that tests can script the other side. */
export interface SocketLike {
  onmessage: ((event: MessageEvent) => void) | null
  onclose: ((event: CloseEvent) => void) | null
  send(text: string): void
  close(code?: number): void
}

const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 30_000
const HELLO_WAIT_MS = 15_000
const TICK_MS = 2_500
// Silence, one HEART, then the wait for its answer: together below the 30 s in which a half-open socket must be seen.
const QUIET_MS = 14_000
const ANSWER_MS = 10_000
const NUDGE_ANSWER_MS = 4_000

/** Full jitter: anything between nothing and the doubled delay, so that a restarted server is not met by everyone at once. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt)
}

/** One im.v1 connection that is kept up until `stop`. */
export class Connection {
  private socket: SocketLike | null = null
  private running = false
  private greeted = false
  private attempt = 0
  private heardAtMs = 0
  private heartDueMs = 0 // when the answer to our HEART must have come; 0 while none is open
  private openedAtMs = 0
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private ticker: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly url: string,
    private readonly listener: ConnectionListener,
    private readonly open: (url: string) => SocketLike = (address) => new WebSocket(address, 'im.v1'),
  ) {}

  start(): void {
    if (this.running) return
    this.running = true
    this.attempt = 0
    this.ticker = setInterval(() => this.tick(), TICK_MS)
    this.connect()
  }

  stop(): void {
    this.running = false
    clearTimeout(this.retryTimer)
    clearInterval(this.ticker)
    this.drop()
    this.listener.stateChanged('stopped', 0)
  }

  /** Whether the frame was handed to a greeted socket; that says nothing of its arrival. */
  send(frame: Frame): boolean {
    if (this.socket === null || !this.greeted) return false
    this.socket.send(JSON.stringify(frame))
    return true
  }

  /** Something hints that the network is back or that we slept: reconnect at once, or ask for a sign of life. */
  nudge(): void {
    if (!this.running) return
    if (this.socket === null) {
      this.attempt = 0
      this.connect()
    } else if (this.greeted && this.heartDueMs === 0) {
      this.heart(NUDGE_ANSWER_MS)
    }
  }

  private connect(): void {
    clearTimeout(this.retryTimer)
    this.greeted = false
    this.heartDueMs = 0
    this.openedAtMs = Date.now()
    this.listener.stateChanged('connecting', 0)
    let socket: SocketLike
    try {
      socket = this.open(this.url)
    } catch {
      this.retryLater()
      return
    }
    this.socket = socket
    socket.onmessage = (event) => {
      if (this.socket === socket) this.heard(event.data)
    }
    socket.onclose = (event) => {
      if (this.socket === socket) void this.closed(event.code)
    }
  }

  private heard(data: unknown): void {
    this.heardAtMs = Date.now()
    this.heartDueMs = 0
    let frame: Frame
    try {
      frame = JSON.parse(String(data)) as Frame
    } catch {
      return
    }
    if (typeof frame !== 'object' || frame === null || frame.cmd === Cmd.heart) return
    if (frame.cmd === Cmd.hello) {
      this.greeted = true
      this.attempt = 0
      this.listener.stateChanged('online', 0)
      this.listener.hello(frame as unknown as Hello)
    } else {
      this.listener.received(frame)
    }
  }

  private async closed(code: number): Promise<void> {
    const greeted = this.greeted
    this.drop()
    if (code >= 4500 && code <= 4999) {
      this.running = false
      clearInterval(this.ticker)
      this.listener.stateChanged('stopped', 0)
      this.listener.ended(code)
      return
    }
    if (!greeted) {
      this.listener.stateChanged('waiting', 0)
      if (!(await this.listener.refused())) return
    }
    // While we asked, a nudge may have opened another one, or the user may have logged out.
    if (this.running && this.socket === null) this.retryLater()
  }

  private retryLater(): void {
    const delayMs = backoffMs(this.attempt++)
    this.listener.stateChanged('waiting', Date.now() + delayMs)
    clearTimeout(this.retryTimer)
    this.retryTimer = setTimeout(() => this.connect(), delayMs)
  }

  private heart(answerMs: number): void {
    this.heartDueMs = Date.now() + answerMs
    this.send({ cmd: Cmd.heart })
  }

  private tick(): void {
    if (this.socket === null) return
    const now = Date.now()
    if (!this.greeted) {
      if (now - this.openedAtMs > HELLO_WAIT_MS) this.abandon()
    } else if (this.heartDueMs !== 0) {
      if (now >= this.heartDueMs) this.abandon()
    } else if (now - this.heardAtMs >= QUIET_MS) {
      this.heart(ANSWER_MS)
    }
  }

  /** A silent socket's own close event may take minutes, so it is not waited for. */
  private abandon(): void {
    this.drop()
    this.retryLater()
  }

  private drop(): void {
    const socket = this.socket
    this.socket = null
    this.greeted = false
    this.heartDueMs = 0
    if (socket === null) return
    socket.onmessage = null
    socket.onclose = null
    socket.close()
  }
}
