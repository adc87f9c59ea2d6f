import type { FileInfo } from './wire'

const WIDEST_PX = 320
const TALLEST_PX = 360
const NARROWEST_PX = 120
const UNKNOWN_PX = 220

/** The room that a picture or video takes in a chat, known before its bytes come, so that nothing jumps. */
export function roomFor(file: FileInfo | null): { width: string; aspectRatio: string } {
  const width = file?.width || UNKNOWN_PX
  const height = file?.height || UNKNOWN_PX
  const scale = Math.min(1, WIDEST_PX / width, TALLEST_PX / height)
  const shownWidth = Math.max(NARROWEST_PX, Math.round(width * scale))
  const shownHeight = Math.max(NARROWEST_PX / 2, Math.round(height * scale))
  return { width: `${shownWidth}px`, aspectRatio: `${shownWidth} / ${shownHeight}` }
}
