import { failureOf, headers, NoAnswer, post } from './api'
import type { Uploaded } from './outbox'
import type { FileInfo } from './wire'

const PATH = '/attach/upload'
// Below this the bytes are as cheap as asking whether they are needed.
const WORTH_ASKING_BYTES = 64 * 1024

interface Answer {
  data: string | null
  file?: FileInfo
  thumb?: string
}

export interface Progress {
  signal?: AbortSignal
  /** Called with 0…1. */
  progressed?(share: number): void
}

function uploadedOf(answer: Answer): Uploaded | null {
  if (answer.data === null) return null
  return { url: answer.data, pic: answer.thumb ?? '', file: answer.file ?? {} }
}

/** What the server already keeps for these bytes, or null. Only secure pages can hash. */
async function known(blob: Blob): Promise<Uploaded | null> {
  if (blob.size < WORTH_ASKING_BYTES || globalThis.crypto.subtle === undefined) return null
  try {
    const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())
    const sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
    return uploadedOf(await post<Answer>('/attach/probe', { sha256, size: blob.size }))
  } catch {
    return null // Only a shortcut: the upload itself decides.
  }
}

function transmit(blob: Blob, name: string, { signal, progressed }: Progress): Promise<Uploaded> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', PATH)
    for (const [header, value] of Object.entries(headers())) request.setRequestHeader(header, value)
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progressed?.(event.loaded / event.total)
    }
    request.onerror = () => reject(new NoAnswer(PATH))
    request.onabort = () => reject(new DOMException('aborted', 'AbortError'))
    request.onload = () => {
      let answer: unknown = null
      try {
        answer = JSON.parse(request.responseText)
      } catch {
        // The status tells.
      }
      const failure = failureOf(request.status, answer, request.getResponseHeader('Retry-After'))
      const uploaded = failure === null ? uploadedOf(answer as Answer) : null
      if (uploaded !== null) resolve(uploaded)
      else reject(failure ?? new NoAnswer(PATH))
    }
    signal?.addEventListener('abort', () => request.abort())
    const form = new FormData()
    form.append('file', blob, name)
    request.send(form)
  })
}

/** Raises ApiError, NoAnswer, or an AbortError after `signal`. */
export async function upload(blob: Blob, name: string, how: Progress = {}): Promise<Uploaded> {
  const shortcut = await known(blob)
  how.signal?.throwIfAborted()
  return shortcut ?? (await transmit(blob, name, how))
}

