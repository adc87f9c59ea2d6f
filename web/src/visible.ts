import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

/** Whether the user can be looking at this page: it is in front and has the focus. */
export function usePageVisible(): Ref<boolean> {
  const visible = ref(true)
  const update = (): void => {
    visible.value = document.visibilityState === 'visible' && document.hasFocus()
  }
  onMounted(() => {
    update()
    window.addEventListener('focus', update)
    window.addEventListener('blur', update)
    document.addEventListener('visibilitychange', update)
  })
  onBeforeUnmount(() => {
    window.removeEventListener('focus', update)
    window.removeEventListener('blur', update)
    document.removeEventListener('visibilitychange', update)
  })
  return visible
}
