import { t } from './i18n'
import { tell, warn } from './toast'

/** The old way, which also works where a page without TLS is refused the new one. */
function copiedBySelection(text: string): boolean {
  const area = document.createElement('textarea')
  area.value = text
  area.style.position = 'fixed'
  area.style.opacity = '0'
  // Inside an open dialog: everything outside of it is inert.
  const host = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body
  host.append(area)
  area.select()
  try {
    return document.execCommand('copy')
  } catch {
    return false
  } finally {
    area.remove()
  }
}

/** Puts a text into the clipboard and tells whether that worked. */
export async function copyText(text: string): Promise<void> {
  let copied = false
  try {
    await navigator.clipboard.writeText(text)
    copied = true
  } catch {
    copied = copiedBySelection(text)
  }
  if (copied) tell(t('copied'))
  else warn(t('copyFailed'))
}
