import { call } from './api'
import { t } from './i18n'
import { myId, store } from './store'
import type { Conversation, Profile, Reaction } from './wire'

const asked = new Set<number>()
let asking: Promise<void> = Promise.resolve()

export function remember(userId: number, nickname: string, avatar: string): void {
  const known = store.people.get(userId)
  if (known?.nickname !== nickname || known.avatar !== avatar) store.people.set(userId, { nickname, avatar })
}

/** The remark that I gave, else the nickname, else a placeholder until `lookUp` answers. */
export function nameOf(userId: number): string {
  if (userId === myId()) return store.me?.nickname || t('you')
  const contact = store.contacts.get(userId)
  return contact?.remark || contact?.nickname || store.people.get(userId)?.nickname || t('userNumber', { id: userId })
}

/** The name that everybody sees, as a text that names him holds it; '' while it is not known. */
export function nicknameOf(userId: number): string {
  if (userId === myId()) return store.me?.nickname ?? ''
  return store.contacts.get(userId)?.nickname ?? store.people.get(userId)?.nickname ?? ''
}

export function avatarOf(userId: number): string {
  if (userId === myId()) return store.me?.avatar ?? ''
  return store.contacts.get(userId)?.avatar ?? store.people.get(userId)?.avatar ?? ''
}

/** Asks for somebody who wrote here but is neither a contact nor a member any more; one at a time, once each. */
export function lookUp(userId: number): void {
  if (userId <= 0 || userId === myId() || asked.has(userId)) return
  if (store.contacts.has(userId) || store.people.has(userId)) return
  asked.add(userId)
  askFor(userId)
}

function askFor(userId: number): void {
  asking = asking.then(async () => {
    try {
      const profile = await call<Profile>('/user/find', { id: userId })
      remember(profile.id, profile.nickname, profile.avatar)
    } catch {
      // What is known stays, or the placeholder.
    }
  })
}

/** Somebody who is known here without being a contact changed his profile. */
export function lookUpAgain(userId: number): void {
  if (store.people.has(userId) && !store.contacts.has(userId) && userId !== myId()) askFor(userId)
}

/** The names of those who gave a reaction, as far as they are told. */
export function whoReacted({ userids, count }: Reaction): string {
  const names = userids.map((userId) => (userId === myId() ? t('you') : nameOf(userId)))
  const more = count - names.length
  return names.join(t('listSeparator')) + (more > 0 ? ` +${more}` : '')
}

export function isNotebook(conversation: { kind: number; dstid: number }): boolean {
  return conversation.kind === 10 && conversation.dstid === myId()
}

export function titleOf(conversation: Conversation): string {
  if (isNotebook(conversation)) return t('notebook')
  if (conversation.kind === 10) {
    const contact = store.contacts.get(conversation.dstid)
    return contact?.remark || contact?.nickname || conversation.title || nameOf(conversation.dstid)
  }
  return store.communities.get(conversation.dstid)?.name || conversation.title
}

export function pictureOf(conversation: Conversation): string {
  if (conversation.kind === 10) return avatarOf(conversation.dstid) || conversation.avatar
  return store.communities.get(conversation.dstid)?.icon || conversation.avatar
}

export function isOnline(userId: number): boolean {
  return store.presence.get(userId)?.online ?? store.contacts.get(userId)?.online ?? false
}

export function lastSeenOf(userId: number): string | null {
  return store.presence.get(userId)?.lastSeen ?? store.contacts.get(userId)?.last_seen ?? null
}
