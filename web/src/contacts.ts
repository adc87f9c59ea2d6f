import { ApiError, call, page } from './api'
import { remember } from './people'
import { store } from './store'
import { Code, type Contact, type ContactRequest, type Profile, type Relation } from './wire'

export type Found = Profile & { relation: Relation }

/** All friends, or with what changed since the last time. */
export async function loadContacts(): Promise<void> {
  const answer = await page<Contact>('/contact/loadfriend')
  const fresh = new Map<number, Contact>()
  for (const row of answer.rows) {
    fresh.set(row.id, row)
    remember(row.id, row.nickname, row.avatar)
    store.presence.delete(row.id)
  }
  store.contacts = fresh
}

export async function loadRequests(): Promise<void> {
  store.requests = (await page<ContactRequest>('/contact/requests')).rows
}

/** The person with this mobile, else with this id; null when there is none. */
export async function find(wanted: string): Promise<Found | null> {
  const text = wanted.replace(/[\s-]/g, '')
  const queries: object[] = []
  if (/^\+?\d{3,20}$/.test(text)) queries.push({ mobile: text })
  if (/^\d{1,15}$/.test(text)) queries.push({ id: Number(text) })
  for (const query of queries) {
    try {
      return await call<Found>('/user/find', query)
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== Code.notFound) throw error
    }
  }
  return null
}

export async function findById(userId: number): Promise<Found> {
  return await call<Found>('/user/find', { id: userId })
}

export async function addFriend(userId: number, memo: string): Promise<'friend' | 'requested'> {
  const body = memo === '' ? { dstid: userId } : { dstid: userId, memo }
  const { status } = await call<Profile & { status: 'friend' | 'requested' }>('/contact/addfriend', body)
  await Promise.all([loadContacts(), loadRequests()])
  return status
}

export async function answerRequest(userId: number, accept: boolean): Promise<void> {
  await call(accept ? '/contact/accept' : '/contact/reject', { dstid: userId })
  await Promise.all([loadContacts(), loadRequests()])
}

export async function setRemark(userId: number, remark: string): Promise<void> {
  await call('/contact/remark', { dstid: userId, remark })
  const contact = store.contacts.get(userId)
  if (contact) contact.remark = remark
}

export async function removeFriend(userId: number): Promise<void> {
  await call('/contact/remove', { dstid: userId })
  store.contacts.delete(userId)
}

export async function block(userId: number): Promise<void> {
  await call('/contact/block', { dstid: userId })
  await loadContacts()
}

export async function unblock(userId: number): Promise<void> {
  await call('/contact/unblock', { dstid: userId })
}

export async function loadBlocked(): Promise<Profile[]> {
  return (await page<Profile>('/contact/blocked')).rows
}
