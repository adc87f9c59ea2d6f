import { ChangeLog } from './changes'
import { isGone, type Row } from './wire'

/** Where `seq` stands in rows that are in seq order, or would stand. */
export function indexOfSeq(rows: readonly Row[], seq: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (rows[middle]!.seq < seq) low = middle + 1
    else high = middle
  }
  return low
}

/** The stretch of one conversation that is on hand: rows in seq order, each seq once. */
export class Timeline {
  rows: Row[] = []
  /** The lowest seq that there is to fetch; unknown (0) until the first page came. */
  first = 0
  /** What was before `first` was too old to be kept. */
  expired = false
  /** Which changes of the conversation the rows show. */
  readonly changes = new ChangeLog()
  /** How many messages the conversation told as deleted for me when the rows were read, and which were since. */
  deletedBefore = 0
  readonly deletedSince = new Set<number>()
  loaded = false
  loadingOlder = false

  get bottomSeq(): number {
    return this.rows[0]?.seq ?? 0
  }

  get topSeq(): number {
    return this.rows[this.rows.length - 1]?.seq ?? 0
  }

  get hasOlder(): boolean {
    return this.loaded && this.rows.length > 0 && this.bottomSeq > Math.max(1, this.first)
  }

  /** Adds rows in any order. A seq that is on hand is kept, unless the new row says that it has gone or was edited. */
  insert(rows: readonly Row[]): void {
    const bottom = this.bottomSeq
    for (const row of rows) if (row.seq >= bottom) this.insertOne(Object.freeze(row))
    const before = rows.filter((row) => row.seq < bottom)
    if (before.length === 0) return
    // In one step: each row that is put before thousands would move all of them.
    const page = new Timeline()
    page.insert(before)
    this.rows = page.rows.concat(this.rows)
  }

  find(seq: number): Row | undefined {
    const index = indexOfSeq(this.rows, seq)
    const row = this.rows[index]
    return row?.seq === seq ? row : undefined
  }

  /** Puts `row` in the place of the row with its seq; without one on hand nothing happens. */
  replace(row: Row): void {
    const index = indexOfSeq(this.rows, row.seq)
    if (this.rows[index]?.seq === row.seq) this.rows[index] = Object.freeze(row)
  }

  /** My window begins at `seq` now: what was before it is gone for me, perhaps because it became too old. */
  beginAt(seq: number, expired = false): void {
    if (seq < this.first) return
    this.first = seq
    this.expired = expired
    if (this.bottomSeq < this.first) this.rows = this.rows.slice(indexOfSeq(this.rows, this.first))
  }

  /** Lets go of the oldest rows, which can be fetched again. */
  keepNewest(count: number): void {
    if (this.rows.length > count && this.holeAfter() === null) this.rows = this.rows.slice(-count)
  }

  /** The seq below the lowest hole, or null when nothing between bottom and top is missing. */
  holeAfter(): number | null {
    if (this.rows.length === 0 || this.topSeq - this.bottomSeq === this.rows.length - 1) return null
    for (let i = 1; i < this.rows.length; i++) {
      const below = this.rows[i - 1]!.seq
      if (this.rows[i]!.seq !== below + 1) return below
    }
    return null
  }

  /** Up to here nothing is missing. */
  get endSeq(): number {
    return this.holeAfter() ?? this.topSeq
  }

  private insertOne(row: Row): void {
    if (this.rows.length === 0 || row.seq > this.topSeq) {
      this.rows.push(row)
      return
    }
    const index = indexOfSeq(this.rows, row.seq)
    const known = this.rows[index]
    if (known?.seq !== row.seq) this.rows.splice(index, 0, row)
    else if (!isGone(known) && (isGone(row) || (row.edited ?? '') > (known.edited ?? ''))) this.rows[index] = row
  }
}
