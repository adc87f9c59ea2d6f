export interface Segment {
  text: string
  /** Set for a link: always http or https. */
  href?: string
  /** Set for "@name" of somebody whom the message names. */
  mention?: number
}

// Linear on any input: one fixed prefix, one negated class, a bound.
const LINK = /https?:\/\/[^\s<>"'`\u3000-\u303f\uff00-\uffef]{1,2000}/gi

function trimmed(found: string): string {
  let end = found.length
  while (end > 0 && '.,;:!?)]}'.includes(found[end - 1]!)) {
    // A closing bracket that the address opened itself belongs to it.
    if (found[end - 1] === ')' && found.slice(0, end).includes('(')) break
    end--
  }
  return found.slice(0, end)
}

/** A message's text with its web addresses apart. */
export function segments(text: string): Segment[] {
  const result: Segment[] = []
  let done = 0
  for (const match of text.matchAll(LINK)) {
    const address = trimmed(match[0])
    if (!URL.canParse(address)) continue
    if (match.index > done) result.push({ text: text.slice(done, match.index) })
    result.push({ text: address, href: new URL(address).href })
    done = match.index + address.length
  }
  if (done < text.length) result.push({ text: text.slice(done) })
  return result
}

/** Sets the "@name" of those who are named apart, the longest name first. `names` is {user id: name}. */
export function withMentions(parts: readonly Segment[], names: ReadonlyMap<number, string>): Segment[] {
  const marks = [...names].filter(([, name]) => name !== '').map(([userId, name]) => ({ userId, mark: `@${name}` }))
  marks.sort((a, b) => b.mark.length - a.mark.length)
  return marks.length === 0 ? [...parts] : parts.flatMap((part) => (part.href === undefined ? apart(part.text, marks) : [part]))
}

function apart(text: string, marks: readonly { userId: number; mark: string }[]): Segment[] {
  const result: Segment[] = []
  let done = 0
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', Math.max(at + 1, done))) {
    const found = marks.find(({ mark }) => text.startsWith(mark, at))
    if (found === undefined) continue
    if (at > done) result.push({ text: text.slice(done, at) })
    result.push({ text: found.mark, mention: found.userId })
    done = at + found.mark.length
  }
  if (done < text.length) result.push({ text: text.slice(done) })
  return result
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
const MOST_LARGE = 6

/** How many emoji the text consists of, 0 when it holds anything else or more than are shown large. */
export function emojiCount(text: string): number {
  const shown = text.trim()
  if (shown === '' || shown.length > 80) return 0
  let count = 0
  for (const { segment } of graphemes.segment(shown)) {
    if (/^\s$/.test(segment)) continue
    if (!/\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(segment)) return 0
    if (/^[\u00a9\u00ae\u2122]$/.test(segment)) return 0
    if (++count > MOST_LARGE) return 0
  }
  return count
}

/** Whether an address may be shown as a picture: only what our own server keeps. */
export function ownResource(url: string | undefined): url is string {
  return url !== undefined && /^\/resource\/[A-Za-z0-9._-]{1,200}(\?[A-Za-z0-9=&._%-]{0,400})?$/.test(url) && !url.includes('..')
}

/** The thumbnail of one of our pictures. */
export function small(url: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}small=1`
}

/** The tiny picture shown while the real one loads, when it is what the server makes. */
export function safePlaceholder(url: string | undefined): string {
  return url !== undefined && /^data:image\/(webp|png|jpeg|gif);base64,[A-Za-z0-9+/=]{1,8000}$/.test(url) ? url : ''
}
