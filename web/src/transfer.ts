import { failureOf, headers, NoAnswer } from './api'

// A connection that takes nothing for so long is dead, whatever the browser believes.
const SILENT_MS = 30_000
// When all bytes are there, the server still makes pictures anew.
const ANSWER_MS = 120_000

export interface Progress {
  signal?: AbortSignal
  /** Called with 0…1. */
  progressed?(share: number): void
}

export interface Sent {
  /** The parsed body, null for none. */
  answer: unknown
  header(name: string): string | null
}

/** Sends `body` and tells how far it is. Raises ApiError, NoAnswer, or an AbortError after `signal`. */
export function transfer(
  method: string,
  path: string,
  body: Blob | FormData | null,
  more: Record<string, string>,
  { signal, progressed }: Progress,
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted())
    const request = new XMLHttpRequest()
    request.open(method, path)
    for (const [name, value] of Object.entries({ ...headers(), ...more })) request.setRequestHeader(name, value)
    let watchdog: ReturnType<typeof setTimeout> | undefined
    const patience = (ms: number): void => {
      clearTimeout(watchdog)
      watchdog = setTimeout(() => request.abort(), ms)
    }
    const stop = (): void => request.abort()
    signal?.addEventListener('abort', stop)
    const ended = (): void => {
      clearTimeout(watchdog)
      signal?.removeEventListener('abort', stop)
    }
    request.upload.onprogress = (event) => {
      patience(SILENT_MS)
      if (event.lengthComputable) progressed?.(event.loaded / event.total)
    }
    request.upload.onload = () => patience(ANSWER_MS)
    request.onerror = () => {
      ended()
      reject(new NoAnswer(path))
    }
    request.onabort = () => {
      ended()
      reject(signal?.aborted ? aborted() : new NoAnswer(path))
    }
    request.onload = () => {
      ended()
      let answer: unknown = null
      try {
        answer = JSON.parse(request.responseText)
      } catch {
        // The status tells.
      }
      const header = (name: string): string | null => request.getResponseHeader(name)
      const failed = request.status >= 400 || (typeof answer === 'object' && answer !== null)
      const failure = failed ? failureOf(request.status, answer, header('Retry-After')) : null
      if (failure === null) resolve({ answer, header })
      else reject(failure)
    }
    patience(body === null ? ANSWER_MS : SILENT_MS)
    request.send(body)
  })
}

function aborted(): DOMException {
  return new DOMException('aborted', 'AbortError')
}
