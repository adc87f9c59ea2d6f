import { nextTick, reactive, ref, type Ref } from 'vue'
import { ApiError } from './api'
import { explain } from './toast'

export interface Form {
  busy: Ref<boolean>
  /** {field: sentence}, beside its input */
  errors: Record<string, string>
  /** What belongs to no field. */
  problem: Ref<string>
  /** Runs the action once at a time; true when it succeeded. */
  submit(action: () => Promise<unknown>): Promise<boolean>
}

/** The state of a form whose fields are named `fields`: the server's refusals go to the field that they name. */
export function useForm(...fields: string[]): Form {
  const busy = ref(false)
  const problem = ref('')
  const errors = reactive<Record<string, string>>({})

  async function submit(action: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    problem.value = ''
    for (const field of Object.keys(errors)) delete errors[field]
    try {
      await action()
      return true
    } catch (error) {
      if (error instanceof ApiError && error.field !== null && fields.includes(error.field)) {
        errors[error.field] = explain(error)
        void nextTick(() => document.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus())
      } else {
        problem.value = explain(error)
      }
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, errors, problem, submit }
}
