import { isGone, type Change, type Message, type Reaction, type Row } from './wire'

const MOST_REMEMBERED = 500
const MOST_NAMED = 10

/**
 * The changes of one conversation in ver order, each given out once. What comes too early waits for the ones before
 * it, and a while of them is remembered for rows that were read before they happened.
 */
export class ChangeLog {
  /** Everything up to here was given out; null until `start`. */
  ver: number | null = null
  private readonly early = new Map<number, Change>()
  private readonly recent: Change[] = []
  private forgottenVer = 0

  /** The rows on hand show the state of `ver`. Answers what came meanwhile and is due. */
  start(ver: number): Change[] {
    this.ver = ver
    this.forgottenVer = ver
    return this.due()
  }

  /** A change arrived. Answers what is due now, in order. */
  take(change: Change): Change[] {
    if (this.ver !== null && change.ver <= this.ver) return []
    this.early.set(change.ver, change)
    return this.due()
  }

  /** Everything up to `ver` was read: `changes` are those of them that concern us. Answers what is due now, in order. */
  readUpTo(ver: number, changes: readonly Change[]): Change[] {
    if (this.ver === null || ver <= this.ver) return []
    const after = this.ver
    const read = changes.filter((change) => change.ver > after && change.ver <= ver).sort((a, b) => a.ver - b.ver)
    this.ver = ver
    read.forEach((change) => this.remember(change))
    return [...read, ...this.due()]
  }

  /** Whether something arrived before what comes before it. */
  get hasHole(): boolean {
    return this.ver !== null && this.early.size > 0
  }

  /** What happened after `ver`, to bring older rows up to date; null when that is not remembered any more. */
  since(ver: number): Change[] | null {
    return ver < this.forgottenVer ? null : this.recent.filter((change) => change.ver > ver)
  }

  private due(): Change[] {
    if (this.ver === null) return []
    const due: Change[] = []
    for (const ver of this.early.keys()) if (ver <= this.ver) this.early.delete(ver)
    for (let next = this.early.get(this.ver + 1); next !== undefined; next = this.early.get(this.ver + 1)) {
      this.early.delete(next.ver)
      this.ver = next.ver
      this.remember(next)
      due.push(next)
    }
    return due
  }

  private remember(change: Change): void {
    this.recent.push(change)
    if (this.recent.length > MOST_REMEMBERED) this.forgottenVer = this.recent.shift()!.ver
  }
}

/** The row after a change of it; the same row where the change says nothing about it. Harmless when repeated. */
export function changedRow(row: Row, change: Change, myId: number): Row {
  if (change.seq !== row.seq || isGone(row)) return row
  switch (change.change) {
    case 'recall':
      return { seq: row.seq, gone: 'recalled' }
    case 'edit':
      if (change.content === undefined) return row
      return { ...row, content: change.content, edited: change.edited ?? row.edited ?? row.createat }
    case 'react':
      return change.emoji === undefined ? row : withReaction(row, change, change.emoji, myId)
    default:
      return row
  }
}

function withReaction(row: Message, change: Change, emoji: string, myId: number): Message {
  const before = row.reactions ?? []
  const known = before.find((reaction) => reaction.emoji === emoji)
  const reaction = toggled(known ?? { emoji, count: 0, mine: false, userids: [] }, change, myId)
  const after = known ? before.map((other) => (other === known ? reaction : other)) : [...before, reaction]
  return { ...row, reactions: after.filter(({ count }) => count > 0) }
}

function toggled(known: Reaction, { userid, on, count }: Change, myId: number): Reaction {
  const given = on !== false
  const named = known.userids.filter((userId) => userId !== userid)
  if (given && named.length < MOST_NAMED) named.push(userid)
  return { emoji: known.emoji, count: count ?? named.length, mine: userid === myId ? given : known.mine, userids: named }
}
