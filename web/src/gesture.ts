const LONG_PRESS_MS = 450
const STILL_PX = 10

/** Opens a menu at a point of the window. */
export type OpenMenu = (x: number, y: number) => void

export interface MenuGestures {
  onContextmenu(event: MouseEvent): void
  onPointerdown(event: PointerEvent): void
  onPointermove(event: PointerEvent): void
  onPointerup(): void
  onPointercancel(): void
  onClickCapture(event: MouseEvent): void
}

/** Listeners for `v-bind`: a right click or the menu key, and on a touch screen a finger that stays, open the menu. */
export function menuGestures(open: OpenMenu): MenuGestures {
  let timer: ReturnType<typeof setTimeout> | undefined
  let from = { x: 0, y: 0 }
  let opened = false

  const stop = (): void => clearTimeout(timer)
  return {
    onContextmenu(event) {
      stop()
      const target = event.target as Element
      // The browser's own menu is the better one for links, and for text that is marked.
      const marked = !(document.getSelection()?.isCollapsed ?? true)
      if (target.closest('a') !== null || (marked && !opened)) return
      event.preventDefault()
      if (opened) return
      const box = target.getBoundingClientRect()
      // The menu key tells no place.
      const atPoint = event.clientX !== 0 || event.clientY !== 0
      open(atPoint ? event.clientX : box.left + 20, atPoint ? event.clientY : box.bottom)
    },
    onPointerdown(event) {
      stop()
      opened = false
      if (event.pointerType !== 'touch') return
      from = { x: event.clientX, y: event.clientY }
      timer = setTimeout(() => {
        opened = true
        open(from.x, from.y)
      }, LONG_PRESS_MS)
    },
    onPointermove(event) {
      if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > STILL_PX) stop()
    },
    onPointerup: stop,
    onPointercancel: stop,
    onClickCapture(event) {
      if (!opened) return
      // The finger that opened the menu leaves: that is no click.
      opened = false
      event.preventDefault()
      event.stopPropagation()
    },
  }
}
