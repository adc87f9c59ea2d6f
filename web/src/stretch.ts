import { computed, ref, type ComputedRef } from 'vue'
import { indexOfSeq } from './timeline'
import type { Row } from './wire'

// Each message in the document costs time whenever one of them changes: those far from the view are left out.
const MOST_SHOWN = 400
const KEPT_AT_END = 300
const STEP = 50
const AROUND = 150

/** The stretch of the rows on hand that is in the document. */
export interface Stretch {
  rows: ComputedRef<readonly Row[]>
  /** Nothing that is on hand is left out before it, or behind it. */
  atStart: ComputedRef<boolean>
  atEnd: ComputedRef<boolean>
  /** All that is on hand, and what comes. */
  showAll(): void
  /** The newest rows, and what comes behind them. */
  showEnd(): void
  /** `seq` with its neighbours, unless it is in the stretch already. */
  showAround(seq: number): void
  /** What is read before the first row stays out until `back`. */
  pin(): void
  /** Some more of the older rows; as many of the newest leave it when it is full. */
  back(): void
  /** Some more of the newer rows; as many of the oldest leave it when it is full. */
  forward(): void
}

/** `onHand` tells all rows of a timeline, in the order of their seqs. */
export function useStretch(onHand: () => readonly Row[]): Stretch {
  // Seqs, not places: rows come and go on both sides.
  const fromSeq = ref(0)
  const toSeq = ref(Infinity)

  const start = computed(() => indexOfSeq(onHand(), fromSeq.value))
  const end = computed(() => {
    const all = onHand()
    if (toSeq.value === Infinity) return all.length
    // The rows that were shown may have been taken away.
    return Math.max(indexOfSeq(all, toSeq.value + 1), Math.min(all.length, start.value + STEP))
  })

  function show(from: number, to: number): void {
    const all = onHand()
    fromSeq.value = all[Math.max(0, from)]?.seq ?? 0
    toSeq.value = to >= all.length ? Infinity : all[to - 1]!.seq
  }

  return {
    rows: computed(() => onHand().slice(start.value, end.value)),
    atStart: computed(() => start.value === 0),
    atEnd: computed(() => end.value === onHand().length),
    showAll() {
      fromSeq.value = 0
      toSeq.value = Infinity
    },
    showEnd: () => show(onHand().length - KEPT_AT_END, onHand().length),
    showAround(seq) {
      const place = indexOfSeq(onHand(), seq)
      if (place < start.value || place >= end.value) show(place - AROUND, place + AROUND)
    },
    pin: () => show(start.value, end.value),
    back() {
      const from = Math.max(0, start.value - STEP)
      show(from, Math.min(end.value, from + MOST_SHOWN))
    },
    forward() {
      const to = Math.min(onHand().length, end.value + STEP)
      show(Math.max(start.value, to - MOST_SHOWN), to)
    },
  }
}
