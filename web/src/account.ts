import { ApiError, call, onSignedOut, page } from './api'
import { dropDrafts, restoreDrafts } from './composing'
import { t } from './i18n'
import { go, keptInvitation, nav } from './nav'
import { forgetRecordings } from './recorder'
import { abortUploads, preview, resumeUploads } from './sending'
import { resetStore, store } from './store'
import { onLink, outbox, startSync, stopSync } from './sync'
import { warn } from './toast'
import { upload } from './uploads'
import { Code, type LoginSession, type Profile } from './wire'

export interface Registration {
  mobile: string
  passwd: string
  nickname: string
  invite?: string
}

const SESSION_ENDED = 4500
const ACCOUNT_DISABLED = 4501

onSignedOut(() => lost(t('sessionEnded')))
onLink({
  ended(code) {
    if (code === SESSION_ENDED) lost(t('sessionEnded'))
    else if (code === ACCOUNT_DISABLED) lost(t('accountDisabled'))
  },
  greeted: () => resumeUploads(true),
})

/** The server no longer knows our session: unsent messages stay for the next log-in of the same user. */
function lost(reason: string): void {
  if (store.me === null) return
  leavePage()
  warn(reason)
}

function leavePage(): void {
  abortUploads()
  forgetRecordings()
  stopSync()
  resetStore()
  go('/login')
}

async function enter(profile: Profile): Promise<void> {
  store.me = profile
  restoreDrafts()
  await startSync()
  outbox.entries.forEach(preview)
}

/** Whether the cookie still logs in; starts the user's world if so. Raises NoAnswer, or an ApiError that is not about that. */
export async function resume(): Promise<boolean> {
  if (store.me !== null) return true
  try {
    void enter(await call<Profile>('/user/me'))
    return true
  } catch (error) {
    if (error instanceof ApiError && error.code === Code.notLoggedIn) return false
    throw error
  }
}

function arrive(profile: Profile): void {
  void enter(profile)
  go(keptInvitation() === '' ? '/' : '/join')
}

export async function login(mobile: string, passwd: string): Promise<void> {
  arrive(await call<Profile>('/user/login', { mobile, passwd, device: deviceName() }))
}

export async function register(registration: Registration): Promise<void> {
  arrive(await call<Profile>('/user/register', { ...registration, device: deviceName() }))
}

/** Sets a new password with the secret of a one-time link. */
export async function resetPassword(token: string, passwd: string): Promise<void> {
  arrive(await call<Profile>('/user/reset', { token, passwd, device: deviceName() }))
}

/** Ends this device's session. What was not sent is gone then, so the caller asks first. */
export async function logout(): Promise<void> {
  const me = store.me
  await call('/user/logout')
  if (me !== null) await outbox.clear(me.id)
  dropDrafts()
  if (nav.path !== '/login') leavePage()
}

export async function updateProfile(changes: Partial<Profile>): Promise<void> {
  await call('/user/update', changes)
  store.me = await call<Profile>('/user/me')
}

/** Uploads a square picture and answers its address, for `avatar` and `icon` fields. */
export async function uploadSquare(picture: Blob, filetype: 'avatar' | 'icon'): Promise<string> {
  return (await upload(picture, filetype, { filetype })).url
}

export async function changePassword(before: string, after: string): Promise<void> {
  await call('/user/passwd', { old: before, new: after })
}

export async function loadSessions(): Promise<LoginSession[]> {
  return (await page<LoginSession>('/user/sessions')).rows
}

export async function revokeSession(sessionId: number | string): Promise<void> {
  await call('/user/revoke', { id: sessionId })
}

/** What the list of devices shows for this browser, like "Chrome, Windows". */
export function deviceName(agent: string = navigator.userAgent): string {
  const browsers: [RegExp, string][] = [
    [/Edg\//, 'Edge'],
    [/OPR\//, 'Opera'],
    [/Firefox\//, 'Firefox'],
    [/Chrome\//, 'Chrome'],
    [/Safari\//, 'Safari'],
  ]
  const systems: [RegExp, string][] = [
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Windows/, 'Windows'],
    [/Mac OS X/, 'macOS'],
    [/Linux/, 'Linux'],
  ]
  const match = (table: [RegExp, string][]): string => table.find(([pattern]) => pattern.test(agent))?.[1] ?? ''
  return [match(browsers), match(systems)].filter(Boolean).join(', ') || 'Browser'
}

