import { onBeforeUnmount, ref, watch, type Ref } from 'vue'
import { ApiError } from './api'
import { findMessages, isSearchable, type Hit } from './search'
import { explain } from './toast'
import { Code } from './wire'

const PAUSE_MS = 250

export type SearchState = 'idle' | 'short' | 'loading' | 'failed' | 'done'

export interface SearchList {
  hits: Ref<Hit[]>
  state: Ref<SearchState>
  /** Why it failed, in the user's language. */
  problem: Ref<string>
  more: Ref<boolean>
  /** At the end of the hits: the server's index is behind, so that some may be missing. */
  indexing: Ref<boolean>
  loadMore(): Promise<void>
  again(): void
  /** Asks at once for what was typed last. */
  now(): void
}

/** Hits for what is being typed into `text`, in the chat `key` or everywhere; the answer to the last question wins. */
export function useSearchList(text: Ref<string>, key: Ref<string>): SearchList {
  const hits = ref<Hit[]>([]) as Ref<Hit[]>
  const state = ref<SearchState>('idle')
  const problem = ref('')
  const more = ref(false)
  const indexing = ref(false)
  let next: string | null = null
  let question = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  async function ask(after: string | null): Promise<void> {
    const mine = after === null ? ++question : question
    timer = undefined
    state.value = 'loading'
    try {
      const found = await findMessages(text.value.trim(), key.value, after)
      if (mine !== question) return
      hits.value = after === null ? found.hits : [...hits.value, ...found.hits]
      next = found.next
      more.value = next !== null
      indexing.value = found.indexing
      state.value = 'done'
    } catch (error) {
      if (mine !== question) return
      if (after === null) hits.value = []
      const wrong = error instanceof ApiError && error.code === Code.badParameter
      state.value = wrong ? 'short' : 'failed'
      problem.value = explain(error)
    }
  }

  function begin(pauseMs: number): void {
    clearTimeout(timer)
    timer = undefined
    question++
    next = null
    more.value = false
    indexing.value = false
    const wantedText = text.value.trim()
    if (!isSearchable(wantedText)) {
      hits.value = []
      state.value = wantedText === '' ? 'idle' : 'short'
      return
    }
    state.value = 'loading'
    timer = setTimeout(() => void ask(null), pauseMs)
  }

  function again(): void {
    if (state.value === 'failed') void ask(next)
  }

  function now(): void {
    if (timer === undefined) return
    clearTimeout(timer)
    void ask(null)
  }

  async function loadMore(): Promise<void> {
    if (next !== null && state.value === 'done') await ask(next)
  }

  watch(text, () => begin(PAUSE_MS))
  watch(key, () => {
    hits.value = []
    begin(0)
  })
  onBeforeUnmount(() => {
    clearTimeout(timer)
    question++
  })

  return { hits, state, problem, more, indexing, loadMore, again, now }
}
