import type { FileInfo, Kind } from './wire'

/** A message that the server has not acknowledged. Its cid is made once and outlives reloads, so that it is stored once. */
export interface Outgoing {
  cid: string
  userid: number
  kind: Kind
  dstid: number
  media: number
  content: string
  url: string
  pic: string
  file: FileInfo | null
  /** The seq of the message that it answers, 0 for none. Entries of earlier versions have neither this nor `mention`. */
  reply?: number
  mention?: number[]
  /** A file whose bytes the server does not have yet. */
  blob: Blob | null
  /** Of a video: the picture that stands for it, until the server has it too. */
  poster?: Blob | null
  /** The resumable upload that has some of the bytes already, or ''. */
  partial?: string
  createdAtMs: number
  state: 'uploading' | 'sending' | 'failed'
  reason: string
}

/** Where unacknowledged messages survive a reload. */
export interface OutboxStorage {
  load(userId: number): Promise<Outgoing[]>
  put(entry: Outgoing): Promise<void>
  remove(cid: string): Promise<void>
  clear(userId: number): Promise<void>
}

/** For browsers that refuse IndexedDB (some private windows): lives as long as the page. */
export class MemoryStorage implements OutboxStorage {
  private readonly entries = new Map<string, Outgoing>()

  async load(userId: number): Promise<Outgoing[]> {
    return [...this.entries.values()].filter((entry) => entry.userid === userId)
  }

  async put(entry: Outgoing): Promise<void> {
    this.entries.set(entry.cid, { ...entry })
  }

  async remove(cid: string): Promise<void> {
    this.entries.delete(cid)
  }

  async clear(userId: number): Promise<void> {
    for (const entry of await this.load(userId)) this.entries.delete(entry.cid)
  }
}

const NAME = 'imtornado'
const ENTRIES = 'outbox'
const BYTES = 'bytes'

/** Bytes are written once, apart from the entry that changes while they are sent. */
type Bytes = Pick<Outgoing, 'cid' | 'blob' | 'poster'>

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

class IndexedStorage implements OutboxStorage {
  /** Of which messages the bytes are on the disk. */
  private readonly written = new Set<string>()

  constructor(private readonly database: IDBDatabase) {}

  async load(userId: number): Promise<Outgoing[]> {
    const transaction = this.database.transaction([ENTRIES, BYTES])
    const entries = promised<Outgoing[]>(transaction.objectStore(ENTRIES).index('userid').getAll(userId))
    const all = promised<Bytes[]>(transaction.objectStore(BYTES).getAll())
    const bytes = new Map((await all).map((row) => [row.cid, row]))
    return (await entries).map((entry) => {
      const row = bytes.get(entry.cid)
      if (row === undefined) return entry
      this.written.add(entry.cid)
      return { ...entry, blob: row.blob, poster: row.poster ?? null }
    })
  }

  async put(entry: Outgoing): Promise<void> {
    const { cid, blob, poster } = entry
    await this.change((entries, bytes) => {
      entries.put({ ...entry, blob: null, poster: null })
      if (blob === null) bytes.delete(cid)
      else if (!this.written.has(cid)) bytes.put({ cid, blob, poster: poster ?? null })
    })
    if (blob === null) this.written.delete(cid)
    else this.written.add(cid)
  }

  async remove(cid: string): Promise<void> {
    this.written.delete(cid)
    await this.change((entries, bytes) => {
      entries.delete(cid)
      bytes.delete(cid)
    })
  }

  async clear(userId: number): Promise<void> {
    for (const { cid } of await this.load(userId)) await this.remove(cid)
  }

  /** Both or neither. */
  private change(work: (entries: IDBObjectStore, bytes: IDBObjectStore) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction([ENTRIES, BYTES], 'readwrite', { durability: 'strict' })
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error)
      work(transaction.objectStore(ENTRIES), transaction.objectStore(BYTES))
      // Not when the page comes to it: whoever writes and leaves at once has written.
      transaction.commit()
    })
  }
}

async function openStorage(): Promise<OutboxStorage> {
  try {
    const request = indexedDB.open(NAME, 2)
    request.onupgradeneeded = ({ oldVersion }) => {
      const database = request.result
      if (oldVersion < 1) database.createObjectStore(ENTRIES, { keyPath: 'cid' }).createIndex('userid', 'userid')
      database.createObjectStore(BYTES, { keyPath: 'cid' })
    }
    const database = await promised(request)
    // A page of a later version waits for this one to let go.
    database.onversionchange = () => database.close()
    return new IndexedStorage(database)
  } catch {
    return new MemoryStorage()
  }
}

/** IndexedDB where the browser gives it, else memory. */
export class BrowserStorage implements OutboxStorage {
  private readonly opened = openStorage()

  async load(userId: number): Promise<Outgoing[]> {
    return await (await this.opened).load(userId)
  }

  async put(entry: Outgoing): Promise<void> {
    await (await this.opened).put(entry)
  }

  async remove(cid: string): Promise<void> {
    await (await this.opened).remove(cid)
  }

  async clear(userId: number): Promise<void> {
    await (await this.opened).clear(userId)
  }
}
