import { post } from './api'
import type { Uploaded } from './outbox'
import { transfer } from './transfer'
import { uploadInPieces, type Resumable } from './tus'
import type { FileInfo } from './wire'

const PATH = '/attach/upload'
// Below this the bytes are as cheap as asking whether they are needed.
const WORTH_ASKING_BYTES = 64 * 1024
// The browser can hash only what it has in memory as a whole.
const MOST_HASHED_BYTES = 128 * 1024 * 1024
// From here on an interruption costs more than the two calls that a resumable upload needs beside the bytes.
const LARGE_BYTES = 8 * 1024 * 1024

interface Answer {
  data: string | null
  file?: FileInfo
  thumb?: string
}

function uploadedOf({ data, file, thumb }: Answer): Uploaded | null {
  return data === null ? null : { url: data, pic: thumb ?? '', file: file ?? {} }
}

async function sha256(blob: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** What the server already keeps for these bytes, or null. Only secure pages can hash. */
async function known(blob: Blob, name: string): Promise<Uploaded | null> {
  if (blob.size < WORTH_ASKING_BYTES || blob.size > MOST_HASHED_BYTES || globalThis.crypto.subtle === undefined) return null
  try {
    const found = uploadedOf(await post<Answer>('/attach/probe', { sha256: await sha256(blob), size: blob.size }))
    // It has not heard what the file is called here.
    if (found !== null && !found.file.mime?.startsWith('image/')) found.file.name = name
    return found
  } catch {
    return null // Only a shortcut: the upload itself decides.
  }
}

async function transmit(blob: Blob, name: string, how: Resumable): Promise<Answer> {
  const form = new FormData()
  if (how.filetype) form.append('filetype', how.filetype)
  form.append('file', blob, name)
  return (await transfer('POST', PATH, form, {}, how)).answer as Answer
}

/**
 * Brings the bytes to the server, unless it has them. With `filetype` avatar or icon it makes a square of a picture.
 * Raises ApiError, NoAnswer, or an AbortError after `signal`; a large file's next try goes on where this one ended.
 */
export async function upload(blob: Blob, name: string, how: Resumable = {}): Promise<Uploaded> {
  const shortcut = how.partial || how.filetype ? null : await known(blob, name)
  how.signal?.throwIfAborted()
  if (shortcut !== null) return shortcut
  const large = blob.size >= LARGE_BYTES
  const uploaded = uploadedOf(large ? await uploadInPieces<Answer>(blob, name, how) : await transmit(blob, name, how))
  if (uploaded === null) throw new Error('the server names no address')
  return uploaded
}
