import { reactive } from 'vue'
import { page } from './api'
import { where } from './history'
import type { FileInfo, Kind } from './wire'

export interface Hit {
  kind: Kind
  dstid: number
  title: string
  avatar: string
  seq: number
  id: number
  userid: number
  nickname: string
  createat: string
  media: number
  excerpt: string
  file?: FileInfo
}

export interface Part {
  text: string
  marked: boolean
}

/** The search that is open: `key` of the chat in which it looks, '' for everywhere; null while none is. */
export const searching = reactive<{ open: boolean; key: string }>({ open: false, key: '' })

/** The message that a chat is to show as soon as it can; the chat puts `seq` back to 0. */
export const wanted = reactive({ key: '', seq: 0 })

const PAGE = 20
// A page may come back short where much had to be looked through; more than these are not asked for without a scroll.
const MOST_SHORT_PAGES = 5

export function openSearch(key = ''): void {
  searching.key = key
  searching.open = true
}

export function want(key: string, seq: number): void {
  wanted.key = key
  wanted.seq = seq
}

export interface Found {
  hits: Hit[]
  next: string | null
  /** The server's index is behind: there may be more. Known on the last page. */
  indexing: boolean
}

/** Hits after the cursor, newest first. Raises ApiError or NoAnswer. */
export async function findMessages(q: string, key: string, after: string | null): Promise<Found> {
  const hits: Hit[] = []
  let next = after
  let indexing = false
  for (let pages = 0; pages < MOST_SHORT_PAGES; pages++) {
    const place = key === '' ? {} : where(key)
    const answer = await page<Hit>('/message/search', { q, ...place, limit: PAGE, ...(next === null ? {} : { after: next }) })
    hits.push(...answer.rows)
    next = typeof answer.next === 'string' ? answer.next : null
    indexing = answer.indexing ?? false
    if (next === null || hits.length >= PAGE) break
  }
  return { hits, next, indexing }
}

const LETTER = /[\p{L}\p{N}\p{M}]/u
// Written without blanks between words: found in the middle of a text too.
const DENSE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const NEIGHBOURS = new RegExp(`${DENSE.source}[\\p{L}\\p{N}]|[\\p{L}\\p{N}]${DENSE.source}`, 'u')
const WORD = /[\p{L}\p{N}\p{M}]{2}/u
const SYMBOL = /\p{Extended_Pictographic}/u

/** Whether the server can look it up: a pair of Chinese characters, two letters of a word, or an emoji. */
export function isSearchable(q: string): boolean {
  return NEIGHBOURS.test(q) || WORD.test(q) || SYMBOL.test(q)
}

// Whether an emoji is shown as a picture.
const SHAPING = /[\uFE0E\uFE0F]/g

/** As the server compares texts: by way of the capital, "ß" is "ss". */
function fold(text: string): string {
  return text.replace(SHAPING, '').normalize('NFKC').toUpperCase().toLowerCase()
}

function beginsInWord(folded: string, place: number, term: string): boolean {
  const [first = ''] = term
  if (!LETTER.test(first) || DENSE.test(first)) return false
  const before = folded.slice(0, place).at(-1) ?? ''
  return LETTER.test(before) && !DENSE.test(before)
}

/** The text in parts, those marked that the query asks for. */
export function marked(text: string, q: string): Part[] {
  const characters = [...text.normalize('NFC')]
  // Folding changes lengths: each unit of the folded text knows its character.
  const owners: number[] = []
  let folded = ''
  characters.forEach((character, number) => {
    const units = fold(character)
    for (let n = 0; n < units.length; n++) owners.push(number)
    folded += units
  })
  const hit = new Set<number>()
  for (const term of fold(q).split(/\s+/).filter(Boolean)) {
    for (let place = folded.indexOf(term); place >= 0; place = folded.indexOf(term, place + 1)) {
      if (beginsInWord(folded, place, term)) continue
      for (let unit = place; unit < place + term.length; unit++) hit.add(owners[unit]!)
    }
  }
  const parts: Part[] = []
  characters.forEach((character, number) => {
    const last = parts.at(-1)
    if (last?.marked === hit.has(number)) last.text += character
    else parts.push({ text: character, marked: hit.has(number) })
  })
  return parts
}
