import { reactive } from 'vue'

export type Tab = 'chats' | 'contacts' | 'communities' | 'me'

interface Place {
  tab: Tab
  /** What is open in the tab: "10:5" (a chat), "friend:5", "requests", "community:3", "profile", …; empty: only the list. */
  item: string
  /** The step within this page's visit; 0 is where a back button would leave it. */
  depth: number
}

export const nav = reactive<Place & { path: string }>({ path: location.pathname, tab: 'chats', item: '', depth: 0 })

const KEPT_JOIN = 'im.join'

/**
 * The secret behind the "#" of a link, taken once: it leaves the address bar and the history at once.
 * Everything else about where the user is stays in history.state, so that no address carries data.
 */
const fragment = location.hash.slice(1)
const arrivedAt = location.pathname
if (fragment !== '') history.replaceState(history.state, '', location.pathname)

/** The secret of the link that opened this very page, or ''. */
export function linkSecret(): string {
  if (nav.path !== arrivedAt) return ''
  try {
    return decodeURIComponent(fragment)
  } catch {
    return ''
  }
}

/** An invitation outlives the way over the log-in page, within this tab only. */
export function keepInvitation(secret: string): void {
  sessionStorage.setItem(KEPT_JOIN, secret)
}

export function keptInvitation(): string {
  return sessionStorage.getItem(KEPT_JOIN) ?? ''
}

export function dropInvitation(): void {
  sessionStorage.removeItem(KEPT_JOIN)
}

function adopt(state: unknown): void {
  const place = (typeof state === 'object' && state !== null ? state : {}) as Partial<Place>
  nav.tab = place.tab ?? 'chats'
  nav.item = place.item ?? ''
  nav.depth = place.depth ?? 0
}

adopt(history.state)
window.addEventListener('popstate', (event) => {
  nav.path = location.pathname
  adopt(event.state)
})

/** To another page of the application. */
export function go(path: string): void {
  adopt({})
  nav.path = path
  history.pushState({ tab: nav.tab, item: nav.item, depth: 0 }, '', path)
}

/** Shows `item` in `tab`. Opening something from a bare list is a step that the back button undoes. */
export function show(tab: Tab, item = ''): void {
  if (nav.tab === tab && nav.item === item) return
  const step = nav.item === '' && item !== ''
  nav.tab = tab
  nav.item = item
  if (step) nav.depth++
  const place = { tab, item, depth: nav.depth }
  if (step) history.pushState(place, '', nav.path)
  else history.replaceState(place, '', nav.path)
}

/** Closes what is open. */
export function back(): void {
  if (nav.item === '') return
  if (nav.depth > 0) history.back()
  else show(nav.tab)
}

export function openChat(kind: number, dstid: number): void {
  show('chats', `${kind}:${dstid}`)
}
