import { nextTick, ref, type ComputedRef, type Ref } from 'vue'
import { loadOlder } from './history'
import { useStickyEnd } from './sticky'
import { useStretch, type Stretch } from './stretch'
import type { Timeline } from './timeline'

const NEAR_PX = 400

export interface Walk {
  stretch: Stretch
  /** Whether the view follows what is added at the end of the chat. */
  stuck: Ref<boolean>
  /** Older messages could not be read. */
  failed: Ref<boolean>
  toEnd(): void
  /** As `toEnd`, from wherever the view is, so that one sees it move where that is near. */
  jump(): Promise<void>
  /** Goes on where older messages could not be read. */
  again(): void
  /** Short pages leave nothing to scroll, so that older ones are fetched until they fill the view. */
  fill(): void
  /** To be called for every scroll event of the box. */
  scrolled(): void
}

/** Scrolling through a chat of any length: older messages are read, and what is far from the view leaves the document. */
export function useWalk(
  key: () => string,
  timeline: ComputedRef<Timeline | undefined>,
  scroller: Ref<HTMLElement | null>,
  content: Ref<HTMLElement | null>,
): Walk {
  const stretch = useStretch(() => timeline.value?.rows ?? [])
  const { stuck, toEnd, scrolled: followed } = useStickyEnd(scroller, content, () => stretch.atEnd.value)
  const failed = ref(false)
  let moving = false

  /** What is in view stays where it is while messages are put in or taken out above and below it. */
  async function inPlace(move: () => void): Promise<void> {
    const box = scroller.value
    if (!box) return
    const edge = box.getBoundingClientRect().top
    const rows = [...box.querySelectorAll<HTMLElement>('[data-seq]')]
    const seen = rows.find((row) => row.getBoundingClientRect().bottom > edge)
    const before = seen?.getBoundingClientRect().top ?? 0
    move()
    await nextTick()
    if (seen?.isConnected && !stuck.value) box.scrollTop += seen.getBoundingClientRect().top - before
  }

  async function older(): Promise<void> {
    if (moving || !timeline.value || (stretch.atStart.value && !timeline.value.hasOlder)) return
    moving = true
    try {
      if (stretch.atStart.value) {
        stretch.pin()
        await loadOlder(key())
      }
      failed.value = false
      await inPlace(stretch.back)
    } catch {
      failed.value = true
      return
    } finally {
      moving = false
    }
    fill()
  }

  async function newer(): Promise<void> {
    if (moving) return
    moving = true
    await inPlace(stretch.forward)
    moving = false
  }

  function fill(): void {
    const box = scroller.value
    if (box && box.scrollTop < NEAR_PX) void older()
  }

  return {
    stretch,
    stuck,
    failed,
    toEnd,
    fill,
    async jump() {
      const still = !stretch.atEnd.value || matchMedia('(prefers-reduced-motion: reduce)').matches
      stretch.showEnd()
      await nextTick()
      stuck.value = true
      scroller.value?.scrollTo({ top: scroller.value.scrollHeight, behavior: still ? 'instant' : 'smooth' })
    },
    again: () => void older(),
    scrolled() {
      followed()
      const box = scroller.value
      if (!box) return
      if (box.scrollTop < NEAR_PX && !failed.value) void older()
      if (!stretch.atEnd.value && box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX) void newer()
    },
  }
}
