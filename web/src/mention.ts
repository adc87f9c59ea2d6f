import type { Member } from './wire'

const MOST_SUGGESTED = 8
const LONGEST_QUERY = 20

export interface Naming {
  /** Where the "@" stands. */
  start: number
  query: string
}

/** The "@…" that the caret stands behind, or null. Behind a letter of an address it is none. */
export function namingAt(text: string, caret: number): Naming | null {
  const before = text.slice(Math.max(0, caret - LONGEST_QUERY - 2), caret)
  const found = /(?:^|[^A-Za-z0-9._-])@([^\s@]{0,20})$/.exec(before)
  return found === null ? null : { start: caret - found[1]!.length - 1, query: found[1]! }
}

/** Members whose name fits, those who begin with it first. */
export function suggested(members: readonly Member[], query: string, myId: number): Member[] {
  const wanted = query.toLowerCase()
  const rank = (member: Member): number => member.nickname.toLowerCase().indexOf(wanted)
  return members
    .filter((member) => member.userid !== myId && rank(member) >= 0)
    .sort((a, b) => Number(rank(a) > 0) - Number(rank(b) > 0) || a.nickname.localeCompare(b.nickname))
    .slice(0, MOST_SUGGESTED)
}

/** The users of `named` ({user id: name}) whose "@name" still stands in the text. */
export function mentionedIn(text: string, named: Iterable<readonly [number, string]>): number[] {
  return [...new Map(named)].filter(([, name]) => text.includes(`@${name}`)).map(([userId]) => userId)
}
