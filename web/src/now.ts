import { ref } from 'vue'

const EVERY_MS = 30_000

/** The present to within half a minute, for what is shown as "5 minutes ago" or "Yesterday". */
export const now = ref(Date.now())

/** Lets `now` follow the clock from here on. */
export function followClock(): void {
  setInterval(() => (now.value = Date.now()), EVERY_MS)
}
