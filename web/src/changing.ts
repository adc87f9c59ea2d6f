import { call, page } from './api'
import type { Shown } from './chatitems'
import { mayManage } from './communities'
import { where } from './history'
import { myId, store } from './store'
import { Cmd, Media, type Message } from './wire'

/** What stands in the menu of a message, for one touch. */
export const QUICK_EMOJI = ['👍', '❤️', '😂', '😮', '😢', '🙏'] as const

function isRecent(time: string | number): boolean {
  const ageMs = Date.now() + store.clockAheadMs - new Date(time).getTime()
  return ageMs < store.limits.recall_s * 1000
}

/** A text of mine is young enough to be edited. */
export function isEditable(message: Message): boolean {
  return message.userid === myId() && message.media === Media.text && isRecent(message.createat)
}

export function mayRecall(key: string, shown: Shown): boolean {
  const { kind, dstid } = where(key)
  if (kind === Cmd.community && mayManage(store.communities.get(dstid))) return true
  return shown.own && isRecent(shown.time)
}

export function mayEdit(shown: Shown): boolean {
  return shown.own && shown.media === Media.text && isRecent(shown.time)
}

/** Takes the message back for everybody. Like all changes it is shown when the server tells it. */
export async function recall(key: string, seq: number): Promise<void> {
  await call('/message/recall', { ...where(key), seq })
}

export async function edit(key: string, seq: number, content: string): Promise<void> {
  await call('/message/edit', { ...where(key), seq, content })
}

export async function react(key: string, seq: number, emoji: string, on: boolean): Promise<void> {
  await call('/message/react', { ...where(key), seq, emoji, on })
}

export async function deleteForMe(key: string, seq: number): Promise<void> {
  await call('/message/delete', { ...where(key), seqs: [seq] })
}

/** User ids of the members of a community who have read up to `seq`. */
export async function readersOf(key: string, seq: number): Promise<number[]> {
  const { rows } = await page<{ userid: number }>('/message/readers', { dstid: where(key).dstid, seq })
  return rows.map(({ userid }) => userid)
}
