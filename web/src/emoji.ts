import type { Key } from './i18n'

export interface EmojiGroup {
  name: Key
  symbol: string
  emoji: string[]
}

function group(name: Key, emoji: string): EmojiGroup {
  const list = emoji.trim().split(/\s+/)
  return { name, symbol: list[0]!, emoji: list }
}

export const EMOJI: readonly EmojiGroup[] = [
  group(
    'emojiSmileys',
    `😀 😃 😄 😁 😆 😅 🤣 😂 🙂 🙃 😉 😊 😇 🥰 😍 🤩 😘 😗 😚 😙 😋 😛 😜 🤪 😝 🤑 🤗 🤭 🤫 🤔 🤐 🤨 😐 😑 😶 😏 😒 🙄 😬 🤥
     😌 😔 😪 🤤 😴 😷 🤒 🤕 🤢 🤮 🤧 🥵 🥶 🥴 😵 🤯 🤠 🥳 😎 🤓 🧐 😕 😟 🙁 😮 😯 😲 😳 🥺 😦 😧 😨 😰 😥 😢 😭 😱 😖 😣
     😞 😓 😩 😫 🥱 😤 😡 😠 🤬 😈 👿 💀 💩 🤡 👻 👽 🤖 😺 😸 😹 😻 😼 😽 🙀 😿 😾`,
  ),
  group(
    'emojiPeople',
    `👋 🤚 🖐️ ✋ 🖖 👌 🤏 ✌️ 🤞 🤟 🤘 🤙 👈 👉 👆 👇 ☝️ 👍 👎 ✊ 👊 🤛 🤜 👏 🙌 👐 🤲 🤝 🙏 ✍️ 💅 🤳 💪 👀 👁️ 👄 👂 👃 🧠
     👶 🧒 👦 👧 🧑 👨 👩 🧓 👴 👵 🙅 🙆 🙋 🙇 🤦 🤷 👮 🕵️ 👷 🤴 👸 🎅 🦸 🧙 🧚 🧛 🧜 🧝 💃 🕺 🚶 🏃 👫 👪 👨‍💻 👩‍🔬 👩‍🚀 👣`,
  ),
  group(
    'emojiNature',
    `🐶 🐱 🐭 🐹 🐰 🦊 🐻 🐼 🐨 🐯 🦁 🐮 🐷 🐸 🐵 🙈 🙉 🙊 🐔 🐧 🐦 🐤 🦆 🦅 🦉 🐺 🐴 🦄 🐝 🦋 🐌 🐞 🐢 🐍 🐙 🦑 🦀 🐠 🐬 🐳
     🦈 🐊 🐘 🦒 🐎 🐑 🐐 🐕 🐈 🐓 🕊️ 🐇 🐾 🌵 🎄 🌲 🌳 🌴 🌱 🌿 ☘️ 🍀 🎋 🍁 🍂 🍄 💐 🌷 🌹 🌺 🌸 🌼 🌻 🌞 🌙 ⭐ 🌟 ✨ ⚡ 🔥
     🌈 ☀️ ⛅ ☁️ 🌧️ ⛄ ❄️ 💧 🌊`,
  ),
  group(
    'emojiFood',
    `🍎 🍐 🍊 🍋 🍌 🍉 🍇 🍓 🍒 🍑 🥭 🍍 🥥 🥝 🍅 🍆 🥑 🥦 🥒 🌶️ 🌽 🥕 🥔 🍞 🥐 🥖 🧀 🥚 🍳 🥞 🥓 🍔 🍟 🍕 🌭 🥪 🌮 🌯 🥗 🍝
     🍜 🍲 🍛 🍣 🍱 🥟 🍤 🍙 🍚 🍘 🥠 🍢 🍡 🍧 🍨 🍦 🥧 🍰 🎂 🍮 🍭 🍬 🍫 🍿 🍩 🍪 🥜 🍯 🥛 ☕ 🍵 🧋 🍶 🍺 🍻 🥂 🍷 🍸 🍹 🥢`,
  ),
  group(
    'emojiActivity',
    `⚽ 🏀 🏈 ⚾ 🎾 🏐 🏉 🎱 🏓 🏸 🏒 🥅 ⛳ 🏹 🎣 🥊 🥋 ⛸️ 🎿 🏂 🏋️ 🤸 🧘 🏄 🏊 🚴 🏆 🥇 🥈 🥉 🏅 🎖️ 🎟️ 🎪 🎭 🎨 🎬 🎤 🎧 🎼
     🎹 🥁 🎷 🎺 🎸 🎻 🎲 ♟️ 🎯 🎳 🎮 🧩 🎉 🎊 🎁 🎈 🎆 🎇 🧧 🏮 🎏 🎐`,
  ),
  group(
    'emojiTravel',
    `🚗 🚕 🚌 🏎️ 🚓 🚑 🚒 🚚 🚜 🛵 🏍️ 🚲 🚂 🚄 🚇 🚉 ✈️ 🛫 🛬 🚀 🛸 🚁 ⛵ 🚤 🚢 ⚓ ⛽ 🚦 🗺️ 🗿 🗽 🗼 🏰 🏯 🏟️ 🎡 🎢 🎠 ⛲ 🏖️
     🏝️ 🌋 ⛰️ 🏔️ 🗻 🏕️ ⛺ 🏠 🏡 🏢 🏥 🏦 🏨 🏫 ⛪ 🕌 🛕 🌅 🌄 🌃 🏙️ 🌉 🌌 🧭 ⏰ ⌚`,
  ),
  group(
    'emojiObjects',
    `💡 📱 💻 ⌨️ 🖥️ 🖨️ 🖱️ 💾 💿 📷 📸 📹 🎥 📞 ☎️ 📺 📻 🔋 🔌 🔦 🕯️ 💸 💵 💰 💳 💎 ⚖️ 🔧 🔨 ⚙️ 🧲 💣 🔪 🔮 💊 💉 🌡️ 🚪 🛏️ 🛋️
     🚽 🚿 🛁 🔑 🛒 📦 ✉️ 📧 📮 📜 📄 📊 📈 📉 📅 📋 📌 📍 📎 ✂️ 📁 📚 📖 🔖 🔗 ✏️ 🖊️ 📝 🔍 🔒 🔓 👓 👕 👖 👗 👟 👠 🎩 🎒 💼 ☂️ 💄 💍`,
  ),
  group(
    'emojiSymbols',
    `❤️ 🧡 💛 💚 💙 💜 🖤 🤍 🤎 💔 ❣️ 💕 💞 💓 💗 💖 💘 💝 💟 ☮️ ☯️ 💯 💢 💥 💫 💦 💨 💬 💭 💤 ✅ ☑️ ✔️ ❌ ❎ ➕ ➖ ❓ ❗ ‼️
     ⁉️ ⚠️ 🚫 ⛔ ♻️ 🔴 🟠 🟡 🟢 🔵 🟣 ⚫ ⚪ 🟥 🟩 🟦 ⬆️ ⬇️ ⬅️ ➡️ 🔄 🔙 🔝 🔔 🔕 🔇 🔊 🎵 🎶 ♾️ 🆗 🆒 🆕 🆘 0️⃣ 1️⃣ 2️⃣ 3️⃣ 🏁 🚩 🏳️‍🌈 🇨🇳 🇬🇧 🇪🇺`,
  ),
]

const KEPT_AS = 'im.emoji'
const MOST_RECENT = 27

export function recentEmoji(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT_AS) ?? '[]')
    return Array.isArray(kept) ? kept.filter((item): item is string => typeof item === 'string').slice(0, MOST_RECENT) : []
  } catch {
    return []
  }
}

export function useEmoji(emoji: string): void {
  const recent = [emoji, ...recentEmoji().filter((other) => other !== emoji)].slice(0, MOST_RECENT)
  try {
    localStorage.setItem(KEPT_AS, JSON.stringify(recent))
  } catch {
    // Only a convenience.
  }
}
