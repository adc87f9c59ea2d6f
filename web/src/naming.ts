import { computed, nextTick, ref, type ComputedRef, type Ref } from 'vue'
import type { Draft } from './composing'
import { namingAt, suggested, type Naming } from './mention'
import { myId, store } from './store'
import type { Member } from './wire'

export interface NameList {
  /** Who is offered for the "@…" that the caret stands behind; empty: none is. */
  names: ComputedRef<Member[]>
  /** The place of the one that Enter takes. */
  active: Ref<number>
  look(): void
  close(): void
  take(member: Member): Promise<void>
  /** Whether a key was for the list. */
  pressed(event: KeyboardEvent): boolean
}

/** The list of members that opens at "@" in the field of a community; `communityId` 0: it never opens. */
export function useNameList(field: Ref<HTMLTextAreaElement | null>, draft: Ref<Draft>, communityId: number): NameList {
  const naming = ref<Naming | null>(null)
  const active = ref(0)
  const names = computed<Member[]>(() =>
    naming.value === null ? [] : suggested(store.members.get(communityId) ?? [], naming.value.query, myId()),
  )

  function look(): void {
    const found = communityId > 0 && field.value ? namingAt(draft.value.text, field.value.selectionStart) : null
    if (found?.start !== naming.value?.start || found?.query !== naming.value?.query) active.value = 0
    naming.value = found
  }

  function close(): void {
    naming.value = null
  }

  async function take(member: Member): Promise<void> {
    if (naming.value === null) return
    const { start, query } = naming.value
    const { text } = draft.value
    close()
    draft.value.named.push([member.userid, member.nickname])
    draft.value.text = `${text.slice(0, start)}@${member.nickname} ${text.slice(start + 1 + query.length)}`
    field.value?.focus()
    await nextTick()
    const caret = start + member.nickname.length + 2
    field.value?.setSelectionRange(caret, caret)
  }

  function pressed(event: KeyboardEvent): boolean {
    if (names.value.length === 0) return false
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined) active.value = (active.value + step + names.value.length) % names.value.length
    else if (event.key === 'Enter' || event.key === 'Tab') void take(names.value[active.value]!)
    else if (event.key === 'Escape') close()
    else return false
    return true
  }

  return { names, active, look, close, take, pressed }
}
