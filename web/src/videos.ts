import type { FileInfo } from './wire'

const POSTER_SIDE = 640
const PATIENCE_MS = 8_000
// The very first picture of a video is often black.
const POSTER_AT_S = 0.5

export interface VideoLook {
  info: Pick<FileInfo, 'width' | 'height' | 'duration'>
  poster: Blob | null
}

function event(target: EventTarget, name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, () => resolve(), { once: true, signal })
    target.addEventListener('error', () => reject(new Error('not playable')), { once: true, signal })
    signal.addEventListener('abort', () => reject(new Error('took too long')), { once: true })
  })
}

/** What a video looks like, taken from the video itself; nothing where this browser cannot play it. */
export async function lookAt(blob: Blob): Promise<VideoLook> {
  const look: VideoLook = { info: {}, poster: null }
  const url = URL.createObjectURL(blob)
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const video = document.createElement('video')
  video.muted = true
  video.playsInline = true
  video.preload = 'auto'
  try {
    const ready = event(video, 'loadeddata', signal)
    video.src = url
    await ready
    look.info.duration = Math.round((await lengthOf(video, signal)) * 1000)
    if (video.videoWidth === 0) return look
    look.info = { ...look.info, width: video.videoWidth, height: video.videoHeight }
    const moved = event(video, 'seeked', signal)
    video.currentTime = Math.min(POSTER_AT_S, video.duration / 2 || 0)
    await moved
    look.poster = await picture(video)
  } catch {
    // It is sent all the same, and shown without a picture.
  } finally {
    video.removeAttribute('src')
    video.load()
    URL.revokeObjectURL(url)
  }
  return look
}

/**
 * Seconds of sound or video. What a browser recorded names no length; it is known once the end was looked for, and only
 * then one can move in it.
 */
export async function lengthOf(media: HTMLMediaElement, signal: AbortSignal): Promise<number> {
  if (media.duration !== Infinity) return media.duration || 0
  const moved = event(media, 'seeked', signal)
  media.currentTime = Number.MAX_SAFE_INTEGER
  await moved
  return Number.isFinite(media.duration) ? media.duration : media.currentTime
}

function picture(video: HTMLVideoElement): Promise<Blob | null> {
  const scale = Math.min(1, POSTER_SIDE / Math.max(video.videoWidth, video.videoHeight))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(video.videoWidth * scale))
  canvas.height = Math.max(1, Math.round(video.videoHeight * scale))
  canvas.getContext('2d')!.drawImage(video, 0, 0, canvas.width, canvas.height)
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.85))
}
