import { language } from './i18n'
import { Code } from './wire'

export interface Envelope<T> {
  code: number
  msg: string
  data: T
}

export interface Page<T> {
  code: number
  msg: string
  rows: T[]
  next?: number | string | null
  stamp?: string
  first?: number
  last?: number
  ver?: number
  expired?: boolean
  indexing?: boolean
}

/** The server answered, and said no. `field` names the input at fault, where there is one. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly field: string | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

/** No answer: whether the call had an effect is unknown. */
export class NoAnswer extends Error {
  constructor(readonly path: string) {
    super(`no answer from ${path}`)
    this.name = 'NoAnswer'
  }
}

const TIMEOUT_MS = 20_000

let signedOut: () => void = () => undefined

/** `listener` runs whenever the server says that there is no session behind our cookie any more. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener
}

export function headers(): Record<string, string> {
  return { Accept: 'application/json', 'Accept-Language': language.value }
}

interface Failure {
  code?: number
  msg?: string
  data?: { field?: string } | null
}

/** What to raise for a parsed answer, or null when it is a success. */
export function failureOf(status: number, body: unknown, retryAfter: string | null): ApiError | null {
  const answer = (typeof body === 'object' && body !== null ? body : {}) as Failure
  const code = typeof answer.code === 'number' ? answer.code : status * 100
  if (code === 0 && status < 400) return null
  const field = answer.data && typeof answer.data.field === 'string' ? answer.data.field : null
  const wait = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : null
  return new ApiError(code, answer.msg ?? '', field, wait)
}

/** The whole answer, for calls that put something beside `data`. Raises ApiError or NoAnswer. */
export async function post<A>(path: string, body: object, timeoutMs = TIMEOUT_MS): Promise<A> {
  let response: Response
  let parsed: unknown = null
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { ...headers(), 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = await response.text()
    try {
      parsed = JSON.parse(text)
    } catch {
      // A proxy's error page: the status alone tells.
    }
  } catch {
    throw new NoAnswer(path)
  }
  const failure = failureOf(response.status, parsed, response.headers.get('Retry-After'))
  if (failure === null) return parsed as A
  if (failure.code === Code.notLoggedIn) signedOut()
  throw failure
}

/** The `data` of a successful answer. Raises ApiError or NoAnswer. */
export async function call<T = null>(path: string, body: object = {}): Promise<T> {
  return (await post<Envelope<T>>(path, body)).data
}

/** A list answer with its cursor. Raises ApiError or NoAnswer. */
export async function page<T>(path: string, body: object = {}): Promise<Page<T>> {
  return await post<Page<T>>(path, body)
}
