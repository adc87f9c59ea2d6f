/** What kind of file something is, for people: what can be sent, and how it is shown. The server looks at the bytes itself. */

import { bytes } from './format'
import { t } from './i18n'
import { store } from './store'
import { warn } from './toast'
import { Media } from './wire'

export const PICTURE_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif']
const VIDEO_TYPES = ['video/mp4', 'video/webm', 'video/quicktime']
const VOICE_TYPES = ['audio/webm', 'audio/mp4', 'audio/x-m4a']
/** For a chooser of what is shown in the chat itself. */
export const SHOWN_TYPES = [...PICTURE_TYPES, ...VIDEO_TYPES].join(',')

const HEAD_BYTES = 4096

/** The media of the message that a file becomes, as far as its type tells. */
export function mediaOf(type: string): number {
  if (PICTURE_TYPES.includes(type)) return Media.picture
  return VIDEO_TYPES.includes(type) ? Media.video : Media.file
}

/** The same by what the server found in the bytes; a recording stays one. */
export function mediaFound(mime: string | undefined, media: number): number {
  const kind = mime?.split('/')[0]
  if (kind === 'image') return Media.picture
  if (kind === 'video') return Media.video
  return kind === 'audio' && media === Media.voice ? media : Media.file
}

function limitOf(type: string): number {
  const { upload_bytes, voice_bytes, video_bytes, file_bytes } = store.limits
  if (PICTURE_TYPES.includes(type)) return upload_bytes
  if (VIDEO_TYPES.includes(type)) return video_bytes
  if (!VOICE_TYPES.includes(type)) return file_bytes
  return voice_bytes && Math.max(voice_bytes, file_bytes) // a long one is an attachment
}

/** As the server sees it: a text whose first sign opens a tag. */
function isMarkup(head: string): boolean {
  return /^<[a-z!?/]/i.test(head.replace(/^(ï»¿|ÿþ|þÿ)/, '').replace(/\0/g, '').trimStart())
}

/** Why it cannot be sent, or ''. Raises where the file cannot be read, such as a folder. */
async function obstacle(file: File): Promise<string> {
  const { name, size } = file
  const limit = limitOf(file.type)
  const head = await file.slice(0, HEAD_BYTES).arrayBuffer()
  if (size === 0) return t('fileEmpty', { name })
  if (isMarkup(new TextDecoder('latin1').decode(head))) return t('fileMarkup', { name })
  if (limit === 0) return t('fileKindRefused', { name })
  return size > limit ? t('fileTooLarge', { name, size: bytes(size), limit: bytes(limit) }) : ''
}

/** Those among dropped, pasted or chosen files that can be sent; why the others cannot is told. */
export async function usableFiles(files: Iterable<File>): Promise<File[]> {
  const usable: File[] = []
  for (const file of files) {
    const problem = await obstacle(file).catch(() => t('fileUnreadable', { name: file.name }))
    if (problem === '') usable.push(file)
    else warn(problem)
  }
  return usable
}

/** A name that others gave, without controls and what turns the direction of writing. */
export function shownName(name: string | undefined): string {
  return (name ?? '').replace(/\p{C}/gu, '').trim().slice(0, 255)
}

/** In two parts, so that a long name is cut in front of its suffix. */
export function nameParts(name: string): [stem: string, suffix: string] {
  const dot = name.lastIndexOf('.')
  return dot > 0 && name.length - dot <= 9 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
}

export type Look = 'text' | 'sheet' | 'slides' | 'pdf' | 'archive' | 'audio' | 'video' | 'picture' | 'code' | 'other'

const LOOKS = new Map<string, Look>(
  (
    [
      ['text', 'doc docx odt rtf txt md pages wps epub log'],
      ['sheet', 'xls xlsx ods csv tsv numbers et'],
      ['slides', 'ppt pptx odp key dps'],
      ['pdf', 'pdf'],
      ['archive', 'zip rar 7z tar gz tgz bz2 xz zst jar apk dmg iso'],
      ['audio', 'mp3 wav flac m4a aac ogg opus wma mid'],
      ['video', 'mp4 mov mkv avi webm wmv flv m4v mpg mpeg 3gp'],
      ['picture', 'jpg jpeg png gif webp avif heic heif bmp tif tiff psd ai raw svg'],
      ['code', 'py js ts c h cpp go rs java kt swift sh json yaml yml toml sql css html xml ini'],
    ] as [Look, string][]
  ).flatMap(([look, suffixes]) => suffixes.split(' ').map((suffix) => [suffix, look])),
)

export function lookOf(name: string, mime = ''): Look {
  const known = LOOKS.get(nameParts(name)[1].slice(1).toLowerCase())
  if (known !== undefined) return known
  const kind = mime.split('/')[0]
  return kind === 'audio' || kind === 'video' ? kind : kind === 'image' ? 'picture' : 'other'
}
