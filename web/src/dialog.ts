import { shallowRef } from 'vue'

export interface Question {
  title: string
  text: string
  action: string
  danger?: boolean
}

interface Open extends Question {
  answer(yes: boolean): void
}

export const question = shallowRef<Open | null>(null)

/** Puts a question over the page; true when the user chose its action. */
export function ask(asked: Question): Promise<boolean> {
  question.value?.answer(false)
  return new Promise((resolve) => {
    question.value = {
      ...asked,
      answer(yes) {
        question.value = null
        resolve(yes)
      },
    }
  })
}
