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
  /** A picture whose bytes the server does not have yet. */
  blob: Blob | null
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
const STORE = 'outbox'

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

class IndexedStorage implements OutboxStorage {
  constructor(private readonly database: IDBDatabase) {}

  async load(userId: number): Promise<Outgoing[]> {
    return await promised<Outgoing[]>(this.store('readonly').index('userid').getAll(userId))
  }

  async put(entry: Outgoing): Promise<void> {
    await promised(this.store('readwrite').put(entry))
  }

  async remove(cid: string): Promise<void> {
    await promised(this.store('readwrite').delete(cid))
  }

  async clear(userId: number): Promise<void> {
    const store = this.store('readwrite')
    const keys = await promised(store.index('userid').getAllKeys(userId))
    await Promise.all(keys.map((key) => promised(store.delete(key))))
  }

  private store(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(STORE, mode, { durability: 'strict' }).objectStore(STORE)
  }
}

async function openStorage(): Promise<OutboxStorage> {
  try {
    const request = indexedDB.open(NAME, 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STORE, { keyPath: 'cid' }).createIndex('userid', 'userid')
    }
    return new IndexedStorage(await promised(request))
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
