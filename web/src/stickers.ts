import { ref } from 'vue'
import { language } from './i18n'

export interface Sticker {
  id: string
  label: { en: string; zh: string }
  url: string
}

export interface StickerSet {
  id: string
  name: { en: string; zh: string }
  stickers: Sticker[]
}

/** The sets that the server offers; empty until `loadStickers` has read them. */
export const stickerSets = ref<StickerSet[]>([])

let asked: Promise<void> | null = null

/** Reads the sets, once. Without them there is only nothing to choose from. */
export function loadStickers(): void {
  asked ??= fetch('/asset/stickers/index.json')
    .then(async (response) => {
      const { sets } = (await response.json()) as { sets: StickerSet[] }
      stickerSets.value = sets.map((set) => ({ ...set, stickers: set.stickers.filter(({ url }) => isSticker(url)) }))
    })
    .catch(() => {
      asked = null
    })
}

/** Whether the address of a message's picture is one of the server's own stickers. */
export function isSticker(url: string | undefined): url is string {
  return url !== undefined && /^\/asset\/stickers\/[a-z0-9-]{1,40}\/[a-z0-9-]{1,40}\.svg$/.test(url)
}

/** What a sticker says, in the user's language; '' while it is not known. */
export function stickerLabel(url: string): string {
  for (const { stickers } of stickerSets.value) {
    const found = stickers.find((sticker) => sticker.url === url)
    if (found) return found.label[language.value]
  }
  return ''
}
