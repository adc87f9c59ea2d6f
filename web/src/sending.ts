/** Files on their way: one queue for all chats. What waits and what failed keeps its place in its chat, over a reload too. */

import { ApiError, NoAnswer } from './api'
import { mediaFound, mediaOf } from './files'
import { bytes } from './format'
import { t } from './i18n'
import type { Uploaded } from './outbox'
import type { Outgoing } from './outboxdb'
import { myId, store } from './store'
import { outbox } from './sync'
import { explain, warn } from './toast'
import { giveUp } from './tus'
import { upload } from './uploads'
import { lookAt } from './videos'
import { Code, Media, type FileInfo, type Kind } from './wire'

const MOST_AT_ONCE = 2
const MOST_PREVIEWS = 60
// Without a byte of progress between them.
const MOST_TRIES = 6
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000
const OTHER_TAB_PAUSE_MS = 3_000
// Errors that may be gone the next time; 40901 is another request that still holds the upload.
const PASSING: readonly number[] = [Code.busy, Code.tooManyRequests, Code.ourFault, Code.exists]

interface Pause {
  tries: number
  untilMs: number
}

const running = new Map<string, AbortController>()
const pauses = new Map<string, Pause>()

export interface Recorded {
  blob: Blob
  durationMs: number
}

async function pictureSize(blob: Blob): Promise<FileInfo> {
  try {
    const bitmap = await createImageBitmap(blob)
    const { width, height } = bitmap
    bitmap.close()
    return { width, height }
  } catch {
    return {} // The server decides whether it is a picture; here it only has no size to reserve.
  }
}

async function send(kind: Kind, dstid: number, media: number, blob: Blob, file: FileInfo, poster: Blob | null = null): Promise<void> {
  const blank = { content: '', url: '', pic: '' }
  preview(await outbox.add({ userid: myId(), kind, dstid, media, ...blank, file, blob, poster }))
  resumeUploads()
}

export async function sendFile(kind: Kind, dstid: number, file: File): Promise<void> {
  const media = mediaOf(file.type)
  const told: FileInfo = { name: file.name, mime: file.type, size: file.size }
  if (media === Media.video) {
    const { info, poster } = await lookAt(file)
    await send(kind, dstid, media, file, { ...told, ...info }, poster)
  } else {
    await send(kind, dstid, media, file, { ...told, ...(media === Media.picture ? await pictureSize(file) : {}) })
  }
}

export async function sendVoice(kind: Kind, dstid: number, { blob, durationMs }: Recorded): Promise<void> {
  const mime = blob.type.split(';')[0]!
  await send(kind, dstid, Media.voice, blob, { name: 'voice', mime, size: blob.size, duration: durationMs })
}

/** Starts what waits to be uploaded: after a file was added, and after every reconnect. */
export function resumeUploads(reconnected = false): void {
  if (reconnected) pauses.clear()
  for (const entry of outbox.entries) {
    if (running.size >= MOST_AT_ONCE) return
    const paused = (pauses.get(entry.cid)?.untilMs ?? 0) > Date.now()
    if (entry.state === 'uploading' && entry.blob && !running.has(entry.cid) && !paused) void run(entry.cid)
  }
}

async function run(cid: string): Promise<void> {
  const controller = new AbortController()
  running.set(cid, controller)
  try {
    await alone(cid, async () => {
      const entry = outbox.find(cid)
      if (entry?.state === 'uploading' && entry.blob) await bring(entry, controller.signal)
    })
  } finally {
    running.delete(cid)
  }
  resumeUploads()
}

/** Another tab may have found the same message on the disk: only one of them works on it. */
async function alone(cid: string, work: () => Promise<void>): Promise<void> {
  if (navigator.locks === undefined) return await work()
  await navigator.locks.request(`im.upload ${cid}`, { ifAvailable: true }, async (lock) => {
    if (lock === null) pause(cid, OTHER_TAB_PAUSE_MS, 0)
    else await work()
  })
}

function pause(cid: string, ms: number, tries: number): void {
  pauses.set(cid, { tries, untilMs: Date.now() + ms })
  setTimeout(resumeUploads, ms + 50)
}

async function bring(entry: Outgoing, signal: AbortSignal): Promise<void> {
  const { cid } = entry
  let tries = (pauses.get(cid)?.tries ?? 0) + 1
  preview(entry)
  store.progress.set(cid, store.progress.get(cid) ?? 0)
  try {
    await bringPoster(entry, signal)
    const result = await upload(entry.blob!, entry.file?.name || 'file', {
      signal,
      partial: entry.partial,
      began: (partial) => void outbox.note(cid, { partial }),
      progressed(share) {
        if (share > (store.progress.get(cid) ?? 0)) tries = 1
        store.progress.set(cid, share)
      },
    })
    await outbox.uploaded(cid, described(entry, result))
    forget(cid)
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof NoAnswer && !(await isReadable(entry.blob!))) fail(cid, t('fileUnreadable', { name: entry.file?.name ?? '' }))
    else if (!isPassing(error) || (tries >= MOST_TRIES && store.connection === 'online')) fail(cid, explain(error))
    else pause(cid, pauseMs(error, tries), tries)
  }
}

function fail(cid: string, reason: string): void {
  forget(cid)
  outbox.failed(cid, reason)
}

function forget(cid: string): void {
  pauses.delete(cid)
  store.progress.delete(cid)
}

function isPassing(error: unknown): boolean {
  return error instanceof NoAnswer || (error instanceof ApiError && PASSING.includes(error.code))
}

function pauseMs(error: unknown, tries: number): number {
  const wanted = error instanceof ApiError && error.retryAfterS !== null ? error.retryAfterS * 1000 : 0
  return Math.max(wanted, Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries))
}

/** A file that was changed or taken away since it was chosen looks like a broken connection. */
async function isReadable(blob: Blob): Promise<boolean> {
  return await blob.slice(0, 1).arrayBuffer().then(
    () => true,
    () => false,
  )
}

/** The picture of a video goes first, so that the message is complete when the video is there. */
async function bringPoster(entry: Outgoing, signal: AbortSignal): Promise<void> {
  if (!entry.poster || entry.pic !== '') return
  try {
    const { url, file } = await upload(entry.poster, 'poster.jpg', { signal })
    await outbox.note(entry.cid, { pic: url, file: { ...entry.file, placeholder: file.placeholder } })
  } catch (error) {
    if (signal.aborted || error instanceof NoAnswer) throw error
    // Without it the video is only less pretty.
  }
}

/** What the message says of its file: what the server found, and what only this browser knows. */
function described({ media: expected, file: told, pic }: Outgoing, { url, pic: thumb, file }: Uploaded): Uploaded & { media: number } {
  const media = mediaFound(file.mime, expected)
  const known: FileInfo = { ...file }
  if (media === Media.picture) return { media, url, pic: thumb, file: known }
  known.duration = file.duration || told?.duration || 0
  // Videos of phones lie on their side, which only a player sees.
  if (media === Media.video && told?.width) Object.assign(known, { width: told.width, height: told.height })
  if (told?.placeholder) known.placeholder = told.placeholder
  return { media, url, pic, file: known }
}

/** A line about a file on its way. */
export function uploadState(cid: string, file: FileInfo | null): string {
  const share = store.progress.get(cid)
  if (store.connection !== 'online') return t('uploadOffline')
  if (share === undefined) return t('uploadWaiting')
  return t('uploadShare', { share: Math.floor(share * 100), size: bytes(file?.size ?? 0) })
}

/** Sends what had failed again. */
export function retrySending(cid: string): void {
  forget(cid)
  outbox.retry(cid)
  const entry = outbox.find(cid)
  if (entry?.state === 'failed') warn(t('fileUnreadable', { name: entry.file?.name ?? '' }))
  resumeUploads()
}

/** Stops the upload, if there is one, and forgets the message, also in other tabs of this browser. */
export function discardSending(cid: string): void {
  const partial = outbox.find(cid)?.partial
  drop(cid)
  discarded.postMessage(cid)
  if (partial) void giveUp(partial)
}

// Other tabs may have found the same message on the disk: from there it must not leave either.
const discarded = new BroadcastChannel('im.discarded')
discarded.onmessage = ({ data }: MessageEvent<string>) => drop(data)

function drop(cid: string): void {
  running.get(cid)?.abort()
  outbox.discard(cid)
  forget(cid)
  forgetPreview(cid)
}

export function abortUploads(): void {
  for (const controller of running.values()) controller.abort()
  pauses.clear()
}

/** Shows it from our own bytes, also after it is stored, so that it does not flicker. */
export function preview({ cid, blob, media }: Outgoing): void {
  if (blob === null || media === Media.file || store.previews.has(cid)) return
  store.previews.set(cid, URL.createObjectURL(blob))
  if (store.previews.size > MOST_PREVIEWS) forgetPreview(store.previews.keys().next().value!)
}

function forgetPreview(cid: string): void {
  const url = store.previews.get(cid)
  if (url !== undefined) URL.revokeObjectURL(url)
  store.previews.delete(cid)
}
