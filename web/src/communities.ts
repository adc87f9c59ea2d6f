import { call, page } from './api'
import { remember } from './people'
import { store } from './store'
import type { Community, ContactRequest, Member, Policy } from './wire'

const MEMBERS_PAGE = 200
const MOST_MEMBERS = 2_000

export interface CommunityDraft {
  name?: string
  icon?: string
  cate?: string
  memo?: string
  policy?: Policy
}

export interface InviteLink {
  link: string
  expires: string
}

export type Joined = Community & { status: 'joined' | 'requested' }
export type JoinRequest = Omit<ContactRequest, 'direction'>

export async function loadCommunities(): Promise<void> {
  const answer = await page<Community>('/contact/loadcommunity')
  store.communities = new Map(answer.rows.map((row) => [row.id, row]))
}

export async function loadInfo(communityId: number): Promise<Community> {
  const community = await call<Community>('/community/info', { dstid: communityId })
  if (community.role !== '') store.communities.set(communityId, community)
  return community
}

export async function loadMembers(communityId: number): Promise<void> {
  const members: Member[] = []
  let after: number | string | null | undefined
  do {
    const cursor = after === undefined ? {} : { after }
    const answer = await page<Member>('/community/members', { dstid: communityId, limit: MEMBERS_PAGE, ...cursor })
    members.push(...answer.rows)
    after = answer.next
  } while (after !== null && after !== undefined && members.length < MOST_MEMBERS)
  for (const member of members) remember(member.userid, member.nickname, member.avatar)
  store.members.set(communityId, members)
}

export async function create(draft: CommunityDraft): Promise<Community> {
  const community = await call<Community>('/contact/createcommunity', draft)
  store.communities.set(community.id, community)
  return community
}

export async function search(beginning: string): Promise<Community[]> {
  return (await page<Community>('/community/search', { q: beginning })).rows
}

export async function join(target: { dstid: number } | { invite: string }, memo = ''): Promise<Joined> {
  const joined = await call<Joined>('/contact/joincommunity', memo === '' ? target : { ...target, memo })
  if (joined.status === 'joined') await loadCommunities()
  return joined
}

export async function update(communityId: number, draft: CommunityDraft): Promise<void> {
  store.communities.set(communityId, await call<Community>('/community/update', { dstid: communityId, ...draft }))
}

export async function announce(communityId: number, announcement: string): Promise<void> {
  await call('/community/announce', { dstid: communityId, announcement })
  await loadInfo(communityId)
}

export async function inviteFriends(
  communityId: number,
  userIds: number[],
): Promise<{ added: number[]; requested: number[] }> {
  const result = await call<{ added: number[]; requested: number[] }>('/community/invite', {
    dstid: communityId,
    userids: userIds,
  })
  if (result.added.length > 0) await Promise.all([loadMembers(communityId), loadInfo(communityId)])
  return result
}

export async function inviteLink(communityId: number): Promise<InviteLink> {
  const made = await call<InviteLink>('/community/invite', { dstid: communityId, link: true })
  return { link: new URL(made.link, location.origin).href, expires: made.expires }
}

export async function revokeLinks(communityId: number): Promise<void> {
  await call('/community/invite', { dstid: communityId, link: false })
}

/** Any of the calls on one member; the lists are read again after it. */
async function onMember(path: string, communityId: number, memberId: number, more: object = {}): Promise<void> {
  await call(path, { dstid: communityId, memberid: memberId, ...more })
  await Promise.all([loadMembers(communityId), loadInfo(communityId)])
}

export async function kick(communityId: number, memberId: number): Promise<void> {
  await onMember('/community/kick', communityId, memberId)
}

export async function setRole(communityId: number, memberId: number, role: 'admin' | 'member'): Promise<void> {
  await onMember('/community/role', communityId, memberId, { role })
}

export async function transfer(communityId: number, memberId: number): Promise<void> {
  await onMember('/community/transfer', communityId, memberId)
}

/** Silences a member for so long; 0 lifts it. */
export async function silence(communityId: number, memberId: number, seconds: number): Promise<void> {
  await onMember('/community/mute', communityId, memberId, { seconds })
}

/** Silences all plain members; 0 lifts it. */
export async function silenceAll(communityId: number, seconds: number): Promise<void> {
  await call('/community/mute', { dstid: communityId, seconds })
  await loadInfo(communityId)
}

export async function loadJoinRequests(communityId: number): Promise<JoinRequest[]> {
  return (await page<JoinRequest>('/community/requests', { dstid: communityId })).rows
}

export async function answerJoin(communityId: number, memberId: number, approve: boolean): Promise<void> {
  await onMember('/community/approve', communityId, memberId, { approve })
}

export async function leave(communityId: number): Promise<void> {
  await call('/community/leave', { dstid: communityId })
  store.communities.delete(communityId)
}

export async function dissolve(communityId: number): Promise<void> {
  await call('/community/dissolve', { dstid: communityId })
  store.communities.delete(communityId)
}

export function mayManage(community: Community | undefined): boolean {
  return community?.role === 'owner' || community?.role === 'admin'
}

export function isSilenced(member: Member | undefined, nowMs: number = Date.now()): boolean {
  return Boolean(member?.silenced) && new Date(member!.silenced!).getTime() > nowMs
}
