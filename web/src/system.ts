import { shownName } from './files'
import { fullTime, length } from './format'
import { t } from './i18n'
import { nameOf } from './people'
import { isSticker, stickerLabel } from './stickers'
import { myId } from './store'
import { isGone, Media, type Conversation, type Message, type Row, type SystemEvent } from './wire'

function who(userId: number | undefined): string {
  if (userId === undefined) return ''
  return userId === myId() ? t('you') : nameOf(userId)
}

function several(userIds: readonly number[]): string {
  return userIds.map(who).join(t('listSeparator'))
}

/** A system line in the user's language; null for an event that this client does not know. */
export function eventText(event: SystemEvent): string | null {
  const users = several(event.userids ?? [])
  const by = who(event.by)
  const byOther = event.by !== undefined && !(event.userids ?? []).includes(event.by)
  switch (event.kind) {
    case 'created':
      return t('eventCreated', { by: by || users })
    case 'joined':
      return byOther ? t('eventAdded', { by, users }) : t('eventJoined', { users })
    case 'left':
      return t('eventLeft', { users })
    case 'kicked':
      return t('eventKicked', { by, users })
    case 'renamed':
      return t('eventRenamed', { by, name: event.name ?? '' })
    case 'announced':
      return t('eventAnnounced', { by })
    case 'role':
      return t(event.role === 'admin' ? 'eventAdmin' : 'eventPlain', { by, users })
    case 'transferred':
      return t('eventTransferred', { by, users })
    case 'silenced':
      if (users === '') return t('eventSilencedAll', { by })
      return event.until ? t('eventSilencedUntil', { by, users, time: fullTime(event.until) }) : t('eventSilenced', { by, users })
    case 'unsilenced':
      return users === '' ? t('eventUnsilencedAll', { by }) : t('eventUnsilenced', { by, users })
    default:
      return null
  }
}

export function systemText(message: Message): string {
  return (message.event && eventText(message.event)) ?? message.content ?? ''
}

export function isSystem(message: Message): boolean {
  return message.media === Media.system
}

/** What a message is called where only a line is there for it. */
export function summary(row: Row): string {
  if (isGone(row)) return row.gone === 'recalled' ? t('goneRecalled') : ''
  if (isSystem(row)) return systemText(row)
  if (row.media === Media.picture) return isSticker(row.url) ? `[${stickerLabel(row.url) || t('aSticker')}]` : t('aPicture')
  if (row.media === Media.voice) return t('aVoiceLine', { time: length((row.file?.duration ?? 0) / 1000) })
  if (row.media === Media.video) return t('aVideo')
  if (row.media === Media.file) return t('aFile', { name: shownName(row.file?.name) || t('unnamedFile') })
  if (row.content) return row.content.slice(0, 200)
  return t('aMessage')
}

/** The line under a conversation's title in the list. */
export function previewOf(conversation: Conversation): string {
  const last = conversation.last
  if (!last) return t('noMessagesYet')
  const text = summary(last)
  if (isGone(last) || isSystem(last)) return text
  if (last.userid === myId()) return conversation.dstid === myId() && conversation.kind === 10 ? text : `${t('you')}: ${text}`
  return conversation.kind === 11 ? `${nameOf(last.userid)}: ${text}` : text
}
