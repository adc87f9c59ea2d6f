import { onBeforeUnmount, ref, watch, type Ref } from 'vue'
import { lengthOf } from './videos'

const PATIENCE_MS = 15_000
const SPEEDS = [1, 1.5, 2] as const

/** How fast voice notes are played, for all of them. */
export const speed = ref<number>(SPEEDS[0])

export function nextSpeed(): void {
  speed.value = SPEEDS[(SPEEDS.indexOf(speed.value as (typeof SPEEDS)[number]) + 1) % SPEEDS.length]!
}

let sounding: HTMLMediaElement | null = null

/** Only one sounds at a time: what played before is stopped where it was. */
export function playAlone(media: HTMLMediaElement): void {
  if (sounding !== media) sounding?.pause()
  sounding = media
}

export function quiet(): void {
  sounding?.pause()
}

export interface VoicePlayer {
  playing: Ref<boolean>
  /** Seconds. */
  position: Ref<number>
  /** It cannot be played here, or is not there any more. */
  broken: Ref<boolean>
  toggle(): Promise<void>
  seek(seconds: number): Promise<void>
}

/** Plays one recording whose length in seconds is known beforehand. */
export function usePlayer(source: () => string, length: () => number): VoicePlayer {
  const playing = ref(false)
  const position = ref(0)
  const broken = ref(false)
  let audio: HTMLAudioElement | null = null
  let ready: Promise<void> | null = null
  let frame = 0

  function follow(): void {
    if (audio === null) return
    position.value = Math.min(length() || Infinity, audio.currentTime)
    if (playing.value) frame = requestAnimationFrame(follow)
  }

  function made(): HTMLAudioElement {
    const media = new Audio()
    media.preload = 'auto'
    media.onplay = () => {
      playAlone(media)
      playing.value = true
      follow()
    }
    media.onpause = () => (playing.value = false)
    media.onended = () => {
      playing.value = false
      position.value = 0
    }
    media.onerror = () => {
      playing.value = false
      broken.value = true
    }
    media.src = source()
    return media
  }

  /** The element, in which one can move. Raises where it cannot be played. */
  async function prepared(): Promise<HTMLAudioElement> {
    audio ??= made()
    const media = audio
    ready ??= prepare(media)
    try {
      await ready
    } catch (error) {
      ready = null
      throw error
    }
    return media
  }

  async function toggle(): Promise<void> {
    if (playing.value) {
      audio?.pause()
      return
    }
    try {
      audio ??= made()
      // At once, however long this one takes to come.
      playAlone(audio)
      const media = await prepared()
      if (media.ended || position.value === 0) media.currentTime = 0
      media.playbackRate = speed.value
      await media.play()
    } catch (error) {
      // Another one was started meanwhile.
      if (!(error instanceof DOMException && error.name === 'AbortError')) broken.value = true
    }
  }

  async function seek(seconds: number): Promise<void> {
    position.value = seconds
    try {
      ;(await prepared()).currentTime = seconds
    } catch {
      broken.value = true
    }
  }

  watch(speed, (rate) => {
    if (audio) audio.playbackRate = rate
  })
  onBeforeUnmount(() => {
    cancelAnimationFrame(frame)
    audio?.pause()
    audio?.removeAttribute('src')
    audio = null
  })
  return { playing, position, broken, toggle, seek }
}

async function prepare(media: HTMLMediaElement): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  if (media.readyState < HTMLMediaElement.HAVE_METADATA) {
    await new Promise<void>((resolve, reject) => {
      media.addEventListener('loadedmetadata', () => resolve(), { once: true, signal })
      media.addEventListener('error', () => reject(new Error('not playable')), { once: true, signal })
      signal.addEventListener('abort', () => reject(new Error('took too long')), { once: true })
    })
  }
  if (media.duration !== Infinity) return
  await lengthOf(media, signal)
  media.currentTime = 0
}
