import { NoAnswer } from './api'
import { bytes } from './format'
import { t } from './i18n'
import type { Outgoing } from './outboxdb'
import { myId, store } from './store'
import { outbox } from './sync'
import { explain, warn } from './toast'
import { upload } from './uploads'
import { Media, type FileInfo, type Kind } from './wire'

export const PICTURE_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp']

const MOST_AT_ONCE = 2
const MOST_PREVIEWS = 60

const running = new Map<string, AbortController>()

/** The pictures among dropped, pasted or chosen files; what cannot be sent is told. */
export function usablePictures(files: Iterable<File>): File[] {
  const usable: File[] = []
  for (const file of files) {
    if (!PICTURE_TYPES.includes(file.type)) warn(t('pictureType', { name: file.name }))
    else if (file.size > store.limits.upload_bytes) {
      warn(t('pictureTooLarge', { name: file.name, limit: bytes(store.limits.upload_bytes) }))
    } else usable.push(file)
  }
  return usable
}

async function measured(blob: Blob, name: string): Promise<FileInfo> {
  const info: FileInfo = { name, mime: blob.type, size: blob.size }
  try {
    const bitmap = await createImageBitmap(blob)
    info.width = bitmap.width
    info.height = bitmap.height
    bitmap.close()
  } catch {
    // The server decides whether it is a picture; here it only has no size to reserve.
  }
  return info
}

export async function sendPicture(kind: Kind, dstid: number, picture: Blob): Promise<void> {
  const name = picture instanceof File ? picture.name : 'picture'
  const file = await measured(picture, name)
  await outbox.add({ userid: myId(), kind, dstid, media: Media.picture, content: '', url: '', pic: '', file, blob: picture })
  resumeUploads()
}

/** Starts what waits to be uploaded: after a picture was added, and after every reconnect. */
export function resumeUploads(): void {
  for (const entry of outbox.entries) {
    if (running.size >= MOST_AT_ONCE) return
    if (entry.state === 'uploading' && !running.has(entry.cid)) void run(entry)
  }
}

async function run(entry: Outgoing): Promise<void> {
  const { cid, blob } = entry
  if (blob === null) return
  preview(entry)
  const controller = new AbortController()
  running.set(cid, controller)
  store.progress.set(cid, 0)
  let waitForConnection = false
  try {
    const result = await upload(blob, entry.file?.name || 'picture', {
      signal: controller.signal,
      progressed: (share) => store.progress.set(cid, share),
    })
    await outbox.uploaded(cid, result)
  } catch (error) {
    waitForConnection = error instanceof NoAnswer && store.connection !== 'online'
    if (!controller.signal.aborted && !waitForConnection) outbox.failed(cid, explain(error))
  } finally {
    running.delete(cid)
    store.progress.delete(cid)
  }
  if (!waitForConnection) resumeUploads()
}

/** Sends what had failed again. */
export function retrySending(cid: string): void {
  outbox.retry(cid)
  resumeUploads()
}

/** Stops the upload, if there is one, and forgets the message. */
export function discardSending(cid: string): void {
  running.get(cid)?.abort()
  outbox.discard(cid)
  forgetPreview(cid)
}

export function abortUploads(): void {
  for (const controller of running.values()) controller.abort()
}

/** Shows the picture from our own bytes, also after it is stored, so that it does not flicker. */
export function preview(entry: Outgoing): void {
  if (entry.blob === null || store.previews.has(entry.cid)) return
  store.previews.set(entry.cid, URL.createObjectURL(entry.blob))
  if (store.previews.size > MOST_PREVIEWS) forgetPreview(store.previews.keys().next().value!)
}

function forgetPreview(cid: string): void {
  const url = store.previews.get(cid)
  if (url !== undefined) URL.revokeObjectURL(url)
  store.previews.delete(cid)
}
