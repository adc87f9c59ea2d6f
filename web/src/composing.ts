import { myId, store } from './store'

/** What is being written in a conversation. */
export interface Draft {
  text: string
  /** The seq of the message that it will answer, 0 for none. */
  reply: number
  /** The seq of my message that it will replace, 0 for none. */
  edit: number
  /** What stood here before the edit began. */
  before: string
  /** [user id, name] of those who were picked from the list of members */
  named: [number, string][]
}

const KEPT_AS = 'im.drafts'

function empty(): Draft {
  return { text: '', reply: 0, edit: 0, before: '', named: [] }
}

export function draftOf(key: string): Draft {
  if (!store.drafts.has(key)) store.drafts.set(key, empty())
  return store.drafts.get(key)!
}

export function startReply(key: string, seq: number): void {
  stopEdit(key)
  draftOf(key).reply = seq
}

export function startEdit(key: string, seq: number, text: string): void {
  const draft = draftOf(key)
  if (draft.edit === 0) draft.before = draft.text
  Object.assign(draft, { text, edit: seq, reply: 0 })
}

export function stopEdit(key: string): void {
  const draft = draftOf(key)
  if (draft.edit !== 0) Object.assign(draft, { text: draft.before, edit: 0, before: '' })
}

export function clearDraft(key: string): void {
  store.drafts.set(key, empty())
}

/** Keeps unfinished texts for a reload of this tab. */
export function keepDrafts(): void {
  const drafts = [...store.drafts].filter(([, draft]) => draft.text.trim() !== '' || draft.reply !== 0)
  try {
    sessionStorage.setItem(KEPT_AS, JSON.stringify({ userId: myId(), drafts }))
  } catch {
    // A reload loses them then.
  }
}

export function restoreDrafts(): void {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT_AS) ?? 'null') as { userId: number; drafts: [string, Draft][] } | null
    if (kept?.userId === myId()) for (const [key, draft] of kept.drafts) store.drafts.set(key, { ...empty(), ...draft })
  } catch {
    // Nothing that could be read.
  }
}

export function dropDrafts(): void {
  try {
    sessionStorage.removeItem(KEPT_AS)
  } catch {
    // There is nothing then.
  }
}
