/** Voice notes on the way from the microphone: at most one is recorded, each chat keeps one that was not sent. */

import { reactive, shallowReactive } from 'vue'
import type { Key } from './i18n'
import { quiet } from './player'
import type { Recorded } from './sending'

/** Opus where the browser has it; Safari records AAC in MP4. */
const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4;codecs=mp4a.40.2', 'audio/mp4', 'audio/webm']
const BITS_PER_SECOND = 32_000
export const LONGEST_MS = 10 * 60_000
const SHORTEST_MS = 600
const LEVEL_EVERY_MS = 80
export const LEVELS = 128

interface Take {
  /** The chat that it is for, '' for none. */
  key: string
  state: 'idle' | 'asking' | 'recording'
  ms: number
  /** Loudness of the last moments, 0…1, the newest at the end. */
  levels: number[]
}

export const take: Take = reactive({ key: '', state: 'idle', ms: 0, levels: [] })

/** {chat: what was recorded for it and not sent} */
export const kept = shallowReactive(new Map<string, Recorded>())

interface Machine {
  recorder: MediaRecorder
  stream: MediaStream
  sound: AudioContext
  ticker: ReturnType<typeof setInterval>
  startedAtMs: number
  /** Settles when the last bytes are there. */
  ended: Promise<Recorded | null>
}

let machine: Machine | null = null

/** Why nothing can be recorded here, or ''. */
export function recordingObstacle(): Key | '' {
  if (!window.isSecureContext || navigator.mediaDevices === undefined) return 'microphoneInsecure'
  if (typeof MediaRecorder === 'undefined' || type() === undefined) return 'microphoneUnknown'
  return ''
}

function type(): string | undefined {
  return TYPES.find((candidate) => MediaRecorder.isTypeSupported(candidate))
}

/** What to tell when the microphone was not given. */
export function microphoneProblem(error: unknown): Key {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'microphoneDenied'
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'microphoneMissing'
  return name === 'NotReadableError' || name === 'AbortError' ? 'microphoneBusy' : 'microphoneFailed'
}

/** Begins a recording for a chat. Raises what getUserMedia raises. */
export async function record(key: string): Promise<void> {
  if (take.state !== 'idle') return
  Object.assign(take, { key, state: 'asking', ms: 0, levels: [] })
  quiet()
  let stream: MediaStream
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    })
  } catch (error) {
    rest()
    throw error
  }
  // The user went away while the browser asked him.
  if (!isAsking(key)) {
    stream.getTracks().forEach((track) => track.stop())
    return
  }
  try {
    machine = start(stream)
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop())
    rest()
    throw error
  }
  take.state = 'recording'
}

function isAsking(key: string): boolean {
  return take.state === 'asking' && take.key === key
}

function rest(): void {
  Object.assign(take, { key: '', state: 'idle', ms: 0, levels: [] })
}

function start(stream: MediaStream): Machine {
  const recorder = new MediaRecorder(stream, { mimeType: type(), audioBitsPerSecond: BITS_PER_SECOND })
  const chunks: Blob[] = []
  const startedAtMs = performance.now()
  const key = take.key
  const sound = new AudioContext()
  void sound.resume() // Safari begins in silence
  const loudness = meter(stream, sound)
  recorder.ondataavailable = ({ data }) => data.size > 0 && chunks.push(data)
  const ended = new Promise<Recorded | null>((resolve) => {
    recorder.onstop = () => {
      const durationMs = Math.round(performance.now() - startedAtMs)
      const blob = new Blob(chunks, { type: recorder.mimeType.split(';')[0] })
      resolve(blob.size > 0 && durationMs >= SHORTEST_MS ? { blob, durationMs } : null)
    }
  })
  // The microphone was pulled out, or the browser's own button ended it.
  stream.getTracks().forEach((track) => (track.onended = () => void stop(key)))
  const ticker = setInterval(() => {
    take.ms = performance.now() - startedAtMs
    take.levels = [...take.levels.slice(1 - LEVELS), loudness()]
    if (take.ms >= LONGEST_MS) void stop(key)
  }, LEVEL_EVERY_MS)
  recorder.start(1_000)
  return { recorder, stream, sound, ticker, startedAtMs, ended }
}

function meter(stream: MediaStream, sound: AudioContext): () => number {
  const analyser = sound.createAnalyser()
  analyser.fftSize = 1024
  sound.createMediaStreamSource(stream).connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  return () => {
    analyser.getFloatTimeDomainData(samples)
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
    // Speech is quiet in numbers: the root once more makes it visible.
    return Math.min(1, Math.sqrt(Math.sqrt(power)))
  }
}

async function end(): Promise<Recorded | null> {
  const used = machine
  machine = null
  if (used === null) return null
  clearInterval(used.ticker)
  if (used.recorder.state !== 'inactive') used.recorder.stop()
  const recorded = await used.ended
  used.stream.getTracks().forEach((track) => {
    track.onended = null
    track.stop()
  })
  void used.sound.close().catch(() => undefined)
  return recorded
}

/** Ends the recording of a chat and keeps it, to be heard before it is sent. False: it was too short. */
export async function stop(key: string): Promise<boolean> {
  if (take.key !== key) return kept.has(key)
  const recorded = await end()
  rest()
  if (recorded !== null) kept.set(key, recorded)
  return recorded !== null
}

/** Throws away what is or was recorded for a chat. */
export async function cancel(key: string): Promise<void> {
  kept.delete(key)
  if (take.key !== key) return
  rest()
  await end()
}

/** The recording of a chat, which is no longer kept; null where there is none, or it was too short. */
export async function finished(key: string): Promise<Recorded | null> {
  await stop(key)
  const recorded = kept.get(key) ?? null
  kept.delete(key)
  return recorded
}

/** Of somebody who logs out. */
export function forgetRecordings(): void {
  if (take.key !== '') void cancel(take.key)
  kept.clear()
}
