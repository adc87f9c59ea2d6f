/** The records and frames of docs/protocol.md, in their wire spelling. */

export const Cmd = {
  heart: 0,
  ack: 1,
  error: 2,
  hello: 3,
  single: 10,
  community: 11,
  read: 12,
  change: 13,
  typing: 14,
  presence: 15,
  notice: 16,
} as const

export const Media = { text: 1, voice: 3, picture: 4, emoji: 6, link: 7, video: 8, file: 10, system: 20 } as const

/** Whether a message of this kind is about the file at its address. */
export function isFile(media: number): boolean {
  return media === Media.picture || media === Media.voice || media === Media.video || media === Media.file
}

export const Code = {
  badParameter: 40001,
  notLoggedIn: 40101,
  wrongLogin: 40102,
  notFriends: 40302,
  notMember: 40303,
  notFound: 40401,
  exists: 40901,
  otherBody: 40902,
  tooManyRequests: 42901,
  ourFault: 50001,
  busy: 50301,
} as const

export type Kind = 10 | 11
export type Role = 'owner' | 'admin' | 'member' | ''
export type Policy = 'open' | 'approval' | 'invite'
export type Relation = 'self' | 'friend' | 'requested' | 'asks' | 'none'

export interface Profile {
  id: number
  nickname: string
  avatar: string
  sex?: string
  memo?: string
  mobile?: string
  createat?: string
  admin?: boolean
}

export interface Contact extends Profile {
  remark?: string
  online?: boolean
  last_seen?: string | null
  removed?: boolean
}

export interface ContactRequest {
  userid: number
  nickname: string
  avatar: string
  memo: string
  createat: string
  direction: 'in' | 'out'
}

export interface Community {
  id: number
  name: string
  icon: string
  cate?: string | number
  memo?: string
  ownerid: number
  createat?: string
  announcement?: string
  members: number
  role: Role
  policy: Policy
  silenced?: boolean
  removed?: boolean
}

export interface Member {
  userid: number
  nickname: string
  avatar: string
  role: Role
  silenced?: string
}

export interface LoginSession {
  id: number | string
  device: string
  ip: string
  createat: string
  seen: string
  current: boolean
}

export interface FileInfo {
  name?: string
  mime?: string
  size?: number
  width?: number
  height?: number
  /** ms */
  duration?: number
  placeholder?: string
}

export interface SystemEvent {
  kind: string
  userids?: number[]
  by?: number
  name?: string
  role?: string
  until?: string
}

export interface Message {
  id?: number
  userid: number
  cmd: Kind
  dstid: number
  media: number
  content?: string
  pic?: string
  url?: string
  memo?: string
  cid?: string
  seq: number
  createat: string
  file?: FileInfo
  edited?: string
  event?: SystemEvent
  /** The seq of the message that this one answers. */
  reply?: number
  /** Users that are named in the text. */
  mention?: number[]
  reactions?: Reaction[]
}

/** One emoji below a message: how many gave it, whether I did, and the first few who did. */
export interface Reaction {
  emoji: string
  count: number
  mine: boolean
  userids: number[]
}

/** A change of a stored message. Of one that is not mine to see only the ver is told. */
export interface Change {
  ver: number
  userid: number
  change?: string
  seq?: number
  content?: string
  edited?: string
  emoji?: string
  on?: boolean
  count?: number
}

export interface Gone {
  seq: number
  gone: 'recalled' | 'deleted' | 'expired'
}

export type Row = Message | Gone

export interface Conversation {
  kind: Kind
  dstid: number
  title: string
  avatar: string
  first: number
  /** What was before `first` was too old to be kept. */
  expired?: boolean
  last_seq: number
  read_seq: number
  peer_read?: number
  unread: number
  mentioned?: boolean
  ver: number
  pinned?: boolean
  muted?: boolean
  /** How many messages of my window I deleted for myself. */
  deleted?: number
  left?: boolean
  /** When the newest message came, which the list is sorted by. */
  active?: string
  last?: Row | null
}

export interface Limits {
  content_bytes: number
  frame_bytes: number
  unacked: number
  per_minute: number
  recall_s: number
  /** The largest file of each kind, the first of a picture; 0: none of that kind are taken. */
  upload_bytes: number
  voice_bytes: number
  video_bytes: number
  file_bytes: number
}

export interface Hello {
  cmd: 3
  userid: number
  session?: number | string
  epoch: string
  stamp: string
  heartbeat_s: number
  time: string
  limits: Limits
}

/** Any frame: the cmd says which of the other fields are there. */
export interface Frame {
  cmd: number
  [field: string]: unknown
}

export function isGone(row: Row): row is Gone {
  return 'gone' in row && Boolean(row.gone)
}

export function conversationKey(kind: number, dstid: number): string {
  return `${kind}:${dstid}`
}

/** The conversation that a frame with kind (or cmd), userid and dstid belongs to, seen by the user `myId`. */
export function keyOfFrame(kind: number, userid: number, dstid: number, myId: number): string {
  const other = kind === Cmd.single && userid !== myId ? userid : dstid
  return conversationKey(kind, other)
}
