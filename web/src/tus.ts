/** Large files in pieces that survive a cut connection, a killed server and a reload: tus 1.0. */

import { ApiError, NoAnswer, post } from './api'
import { transfer, type Progress } from './transfer'
import { Code } from './wire'

const PATH = '/attach/tus'
const PIECE_BYTES = 16 * 1024 * 1024
const FINISH_MS = 120_000

export interface Resumable extends Progress {
  filetype?: string
  /** The upload that an earlier try began, or ''. */
  partial?: string
  /** Told the new upload, so that a later try can go on with it. */
  began?(partial: string): void
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

/** What `/attach/upload` would have answered. Raises as `transfer`; whatever has arrived is kept then. */
export async function uploadInPieces<A>(blob: Blob, name: string, how: Resumable): Promise<A> {
  let partial = how.partial ?? ''
  let offset = partial === '' ? null : await offsetOf(partial, how)
  if (offset === null) {
    partial = await create(blob.size, name, how)
    how.began?.(partial)
    offset = 0
  }
  while (offset < blob.size) {
    const from: number = offset
    how.progressed?.(from / blob.size)
    offset = await send(partial, from, blob.slice(from, from + PIECE_BYTES), {
      ...how,
      progressed: (share) => how.progressed?.((from + share * Math.min(PIECE_BYTES, blob.size - from)) / blob.size),
    })
  }
  return await post<A>('/attach/finish', { id: partial }, FINISH_MS)
}

/** Tells the server that the rest will not come. */
export async function giveUp(partial: string): Promise<void> {
  await transfer('DELETE', `${PATH}/${partial}`, null, {}, {}).catch(() => undefined)
}

async function create(size: number, name: string, { filetype, signal }: Resumable): Promise<string> {
  const told = `filename ${base64(name.slice(0, 255))}` + (filetype ? `,filetype ${base64(filetype)}` : '')
  const { answer } = await transfer('POST', PATH, null, { 'Upload-Length': String(size), 'Upload-Metadata': told }, { signal })
  return (answer as { data: { id: string } }).data.id
}

/** How many bytes the server has; null where it does not know the upload any more. */
async function offsetOf(partial: string, { signal }: Progress): Promise<number | null> {
  try {
    const { header } = await transfer('HEAD', `${PATH}/${partial}`, null, {}, { signal })
    return offsetIn(header('Upload-Offset'))
  } catch (error) {
    // HEAD brings no body: the code is made of the status.
    if (error instanceof ApiError && Math.floor(error.code / 100) === Math.floor(Code.notFound / 100)) return null
    throw error
  }
}

async function send(partial: string, offset: number, piece: Blob, how: Progress): Promise<number> {
  const more = { 'Upload-Offset': String(offset), 'Content-Type': 'application/offset+octet-stream' }
  // A slice of a typed blob would bring its own type.
  const { header } = await transfer('PATCH', `${PATH}/${partial}`, piece.slice(0, piece.size, more['Content-Type']), more, how)
  return offsetIn(header('Upload-Offset'))
}

function offsetIn(header: string | null): number {
  const offset = Number(header ?? NaN)
  if (!Number.isSafeInteger(offset)) throw new NoAnswer(PATH)
  return offset
}
