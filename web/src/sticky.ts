import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

const NEAR_END_PX = 60

export interface StickyEnd {
  /** Whether the view follows what is added at the end. */
  stuck: Ref<boolean>
  toEnd(): void
  /** To be called for every scroll event of the box. */
  scrolled(): void
}

/**
 * Keeps a scrolling box at its end, whatever grows inside of it, until the user scrolls up.
 * `complete`: whether the end of the box is the end of what it is for.
 */
export function useStickyEnd(box: Ref<HTMLElement | null>, content: Ref<HTMLElement | null>, complete: () => boolean): StickyEnd {
  const stuck = ref(true)
  let lastTop = 0

  function toEnd(): void {
    if (box.value) box.value.scrollTop = box.value.scrollHeight
  }

  function scrolled(): void {
    if (!box.value) return
    const { scrollTop, scrollHeight, clientHeight } = box.value
    const upwards = scrollTop < lastTop - 1
    lastTop = scrollTop
    // Away from the end without having gone up: more has arrived below, and the view is about to follow.
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX && complete()) stuck.value = true
    else if (upwards) stuck.value = false
  }

  const observer = new ResizeObserver(() => {
    if (stuck.value) toEnd()
  })
  onMounted(() => {
    if (box.value) observer.observe(box.value)
    if (content.value) observer.observe(content.value)
  })
  onBeforeUnmount(() => observer.disconnect())

  return { stuck, toEnd, scrolled }
}
