import { language, t } from './i18n'
import { now as present } from './now'

function startOfDay(time: Date): number {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime()
}

function daysAgo(time: Date, now: Date): number {
  return Math.round((startOfDay(now) - startOfDay(time)) / 86_400_000)
}

function format(time: Date, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(language.value, options).format(time)
}

/** "09:05" */
export function clock(createat: string | number): string {
  return format(new Date(createat), { hour: '2-digit', minute: '2-digit', hour12: false })
}

/** The separator above a day's messages: Today, Yesterday, a weekday, a date. */
export function dayLabel(createat: string | number, now: Date = new Date(present.value)): string {
  const time = new Date(createat)
  const ago = daysAgo(time, now)
  if (ago === 0) return t('today')
  if (ago === 1) return t('yesterday')
  if (ago > 1 && ago < 7) return format(time, { weekday: 'long' })
  const year = time.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' as const }
  return format(time, { ...year, month: 'long', day: 'numeric' })
}

/** The short time at the end of a list row. */
export function listTime(createat: string, now: Date = new Date(present.value)): string {
  const time = new Date(createat)
  const ago = daysAgo(time, now)
  if (ago <= 0) return clock(createat)
  if (ago === 1) return t('yesterday')
  if (ago < 7) return format(time, { weekday: 'short' })
  return format(time, { year: '2-digit', month: 'numeric', day: 'numeric' })
}

export function fullTime(createat: string | number): string {
  return format(new Date(createat), { dateStyle: 'medium', timeStyle: 'short' })
}

export function lastSeen(seen: string | null | undefined): string {
  if (!seen) return t('offline')
  const minutes = Math.floor((present.value - new Date(seen).getTime()) / 60_000)
  if (minutes < 1) return t('seenJustNow')
  if (minutes < 60) return t('seenMinutes', { n: minutes })
  return t('seenAt', { time: listTime(seen) })
}

/** A local calendar day, to find where one ends. */
export function dayOf(createat: string | number): number {
  return startOfDay(new Date(createat))
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

function firstGrapheme(text: string): string {
  for (const part of graphemes.segment(text)) return part.segment
  return ''
}

/** Compares names as people look for them: number 12 stands before number 108. */
export const byName = new Intl.Collator(undefined, { numeric: true }).compare

/** One or two characters that stand for a name without a picture. */
export function initials(name: string): string {
  const words = name.trim().slice(0, 80).split(/\s+/)
  const first = firstGrapheme(words[0] ?? '')
  if (words.length < 2 || /[^\u0000-\u024f]/.test(first)) return first.toUpperCase()
  return (first + firstGrapheme(words[words.length - 1]!)).toUpperCase()
}

/** One of the avatar colours of style/base.css, always the same for one id. */
export function avatarTone(seed: number): number {
  return Math.abs(Math.imul(seed + 1, 2654435761) >> 8) % 8
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  if (count < 1024 * 1024) return `${Math.round(count / 1024)} KB`
  return `${(count / 1024 / 1024).toFixed(1)} MB`
}

/** How long something sounds: "0:07", "1:02:03". */
export function length(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (count: number): string => String(count).padStart(2, '0')
  const minutes = Math.floor(whole / 60)
  return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`
}

export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length
}

/** Without what the server refuses: NUL and lone surrogates. */
export function cleaned(text: string): string {
  return text.replace(/\0/g, '').replace(/\p{Surrogate}/gu, '\ufffd')
}
