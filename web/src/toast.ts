import { reactive } from 'vue'
import { ApiError, NoAnswer } from './api'
import { t } from './i18n'
import { Code } from './wire'

export interface Toast {
  number: number
  text: string
  kind: 'error' | 'done'
}

export const toasts: Toast[] = reactive([])

const SHOWN_MS = 6_000
const MOST_SHOWN = 3
let counter = 0

function show(text: string, kind: Toast['kind']): void {
  const again = toasts.findIndex((toast) => toast.text === text)
  if (again >= 0) toasts.splice(again, 1)
  const toast = { number: ++counter, text, kind }
  toasts.push(toast)
  if (toasts.length > MOST_SHOWN) toasts.shift()
  setTimeout(() => dismiss(toast.number), SHOWN_MS)
}

export function dismiss(number: number): void {
  const index = toasts.findIndex((toast) => toast.number === number)
  if (index >= 0) toasts.splice(index, 1)
}

/** A sentence about what went wrong and what can be done. */
export function explain(error: unknown): string {
  if (error instanceof NoAnswer) return t('errorNoAnswer')
  if (!(error instanceof ApiError)) return t('errorUnknown')
  if (error.code === Code.tooManyRequests && error.retryAfterS !== null) {
    return t('errorTooMany', { n: error.retryAfterS })
  }
  if (error.code === Code.busy) return t('errorBusy')
  if (error.code === Code.ourFault) return t('errorServer')
  return error.message || t('errorUnknown')
}

export function complain(error: unknown): void {
  // The page of a session that ended shows the log-in instead.
  if (error instanceof ApiError && error.code === Code.notLoggedIn) return
  if (!(error instanceof ApiError) && !(error instanceof NoAnswer)) console.error(error)
  show(explain(error), 'error')
}

export function warn(text: string): void {
  show(text, 'error')
}

export function tell(text: string): void {
  show(text, 'done')
}

/** Runs an action of the user; what fails is shown. Answers whether it succeeded. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action()
    return true
  } catch (error) {
    complain(error)
    return false
  }
}
