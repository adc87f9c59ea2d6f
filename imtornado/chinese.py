"""Every sentence that a caller may be told, in Chinese. A test finds sentences of the sources that are missing here."""

from imtornado.errors import ImError

CHINESE: dict[str, str] = {
    # handlers/base.py, handlers/body.py, handlers/caller.py
    "Please log in.": "请先登录。",
    "A call by cookie must say where it comes from: send Origin, or use a bearer token.": (
        "使用 Cookie 的请求必须表明来源：请发送 Origin，或改用 Bearer 令牌。"
    ),
    "Only an administrator may do this.": "只有管理员可以执行此操作。",
    "You can act for yourself only.": "只能以自己的身份操作。",
    "This address does not take this method.": "此地址不支持该请求方法。",
    "This call comes from a foreign page.": "此请求来自其他网站的页面，已拒绝。",
    "The body is too large.": "请求内容过大。",
    "There is nothing at this address.": "此地址没有内容。",
    "The request could not be read.": "无法读取该请求。",
    "You may not do this.": "你无权执行此操作。",
    "Something went wrong on our side.": "服务器出错了。",
    "The body is neither JSON nor a form.": "请求内容既不是 JSON 也不是表单。",
    "This server does not answer to the name {host}. Its operator can add it to the setting server.hosts.": (
        "本服务器不响应域名 {host}。管理员可将其加入配置项 server.hosts。"
    ),
    # handlers/params.py
    "A text holds half of a character.": "文本中含有不完整的字符。",
    "The body is not JSON in UTF-8.": "请求内容不是 UTF-8 编码的 JSON。",
    "The body must be a JSON object.": "请求内容必须是一个 JSON 对象。",
    "A text is not UTF-8.": "文本不是 UTF-8 编码。",
    "This is missing.": "缺少此项。",
    "This must be a text.": "此项必须是文本。",
    "A text may not hold the character NUL or half of a character.": "文本不能含有空字符或不完整的字符。",
    "This may not be empty.": "此项不能为空。",
    "This needs at least {count} characters.": "此项至少需要 {count} 个字符。",
    "This may have at most {count} characters.": "此项最多 {count} 个字符。",
    "This must be a list of texts.": "此项必须是文本列表。",
    "This must be a list of numbers.": "此项必须是数字列表。",
    "This may have at most {count} entries.": "此项最多 {count} 个条目。",
    "This must be true or false.": "此项必须是 true 或 false。",
    "This must be one of: {choices}.": "此项必须是以下之一：{choices}。",
    "This must be a whole number.": "此项必须是整数。",
    "This must be between {minimum} and {maximum}.": "此项必须在 {minimum} 与 {maximum} 之间。",
    "A name may not hold control characters.": "名称不能含有控制字符。",
    # handlers/ops.py
    "The server is shutting down.": "服务器正在关闭。",
    "The database does not answer.": "数据库没有响应。",
    # imtornado/passwords.py
    "Wrong mobile or password.": "手机号或密码错误。",
    "A password needs at least {count} characters.": "密码至少需要 {count} 个字符。",
    "A password may have at most {count} characters.": "密码最多 {count} 个字符。",
    "This password is among the first that anybody would guess. Choose another.": (
        "这个密码太常见，很容易被猜到，请换一个。"
    ),
    "The password may not be your mobile or your nickname.": "密码不能与手机号或昵称相同。",
    # imtornado/services/accounts.py, imtornado/services/administration.py
    "A mobile is 3 to 20 digits, with or without a + before them.": "手机号为 3 到 20 位数字，前面可以有加号。",
    "This server does not take registrations. Ask its operator for an account.": (
        "本服务器不开放注册，请联系管理员开通账号。"
    ),
    "Registration is by invitation only. Ask the operator for an invitation.": (
        "本服务器仅限受邀者注册，请向管理员索取邀请。"
    ),
    "This invitation is unknown, used or expired.": "邀请不存在、已被使用或已过期。",
    "This link is unknown, used or expired.": "链接不存在、已被使用或已过期。",
    "A picture must be uploaded here first.": "图片必须先上传到本服务器。",
    "There is no account with the mobile {mobile}.": "没有手机号为 {mobile} 的账号。",
    # imtornado/workers.py
    "The server is busy. Try again in a moment.": "服务器繁忙，请稍后再试。",
    # imtornado/services/throttle.py
    "Too many tries. Try again in {seconds} s.": "尝试次数过多，请在 {seconds} 秒后再试。",
    # imtornado/services/search.py, imtornado/tokenizer.py
    "Searching is switched off on this server.": "本服务器已关闭搜索功能。",
    "Write at least two characters of a word.": "请至少输入一个词的两个字符。",
    "Search for at most {count} words at once.": "一次最多搜索 {count} 个词。",
    # imtornado/services/contacts.py
    "There is no such user.": "没有这个用户。",
    "This is yourself: you need not add yourself.": "这就是你自己，无需添加。",
    "You cannot block yourself.": "不能拉黑自己。",
    # imtornado/services: communities, admissions, memberships and their rules
    "There is no such community.": "没有这个群。",
    "There is no such member in this community.": "群里没有这个成员。",
    "There is no such picture.": "没有这张图片。",
    "An icon is a picture that was uploaded here.": "图标必须是上传到本站的图片。",
    "Only the owner of the community may do this.": "只有群主可以执行此操作。",
    "Only the owner and the admins of the community may do this.": "只有群主和管理员可以执行此操作。",
    "You may do this only to members of a lower rank than yours.": "只能对级别低于自己的成员执行此操作。",
    "This invitation is not valid any more.": "此邀请已失效。",
    "This community can be joined by invitation only.": "此群只能通过邀请加入。",
    "You can invite your friends only.": "只能邀请自己的好友。",
    "This request is not open any more.": "此申请已被处理。",
    "You own this community. Hand it over to a member or dissolve it before you leave.": (
        "你是群主：请先将群转让给其他成员或解散该群，然后再退出。"
    ),
    "You own this community already.": "你已经是该群的群主。",
    "This member owns {limit} communities already, more are not allowed.": "该成员已拥有 {limit} 个群，不能再多。",
    # storage: contacts, communities, and the right to write
    "This is not a stamp that this server gave.": "此 stamp 不是本服务器给出的。",
    "This is yourself.": "这是你自己。",
    "You are friends already.": "你们已经是好友。",
    "You have blocked this user.": "你已拉黑该用户。",
    "You cannot become friends with this user.": "无法与该用户成为好友。",
    "This user is not among your friends.": "该用户不是你的好友。",
    "This user is not blocked.": "该用户未被拉黑。",
    "A community with this name exists already.": "已有同名的群。",
    "You own {limit} communities already, more are not allowed.": "你已拥有 {limit} 个群，不能再多。",
    "You are not a member of this community.": "你不是该群的成员。",
    "You are silenced in this community.": "你在该群中已被禁言。",
    "You are not friends.": "你们还不是好友。",
    "This user does not accept messages from you.": "该用户不接收你的消息。",
    # imtornado/services: changes of messages
    "Only its sender or an admin may recall a message.": "只有发送者或管理员可以撤回消息。",
    "Only text messages of your own can be edited.": "只能编辑自己发送的文本消息。",
    "This message is older than {seconds} s.": "此消息发送已超过 {seconds} 秒。",
    "An emoji has 1 to {count} characters.": "表情为 1 到 {count} 个字符。",
    "An emoji may not hold blanks or control characters.": "表情不能含有空白或控制字符。",
    "A message has at most {limit} emojis.": "一条消息最多有 {limit} 种表情。",
    "You can give at most {limit} emojis to a message.": "每人对一条消息最多添加 {limit} 个表情。",
    # handlers/community.py
    "Say what is to change: name, icon, cate, memo or policy.": (
        "请指明要修改的内容：name、icon、cate、memo 或 policy。"
    ),
    # handlers/attach.py, handlers/multipart.py
    "Send the file as multipart/form-data.": "请以 multipart/form-data 发送文件。",
    "The multipart body names no boundary.": "multipart 请求没有给出分隔符。",
    "The multipart body ends in the middle.": "multipart 请求不完整。",
    "The multipart body does not begin with its boundary.": "multipart 请求没有以分隔符开头。",
    "The multipart body is damaged.": "multipart 请求已损坏。",
    "The multipart body has too many parts.": "multipart 请求的部分过多。",
    "A part of the multipart body has headers that are too long.": "multipart 请求中有一部分的头过长。",
    "A part of the multipart body has no name.": "multipart 请求中有一部分没有名称。",
    "The fields beside the file are too long.": "文件以外的字段过长。",
    "Send one file at a time.": "请一次只发送一个文件。",
    "This must be a SHA-256 in hexadecimal.": "此项必须是十六进制的 SHA-256。",
    # imtornado/services/uploads.py, imtornado/images.py
    "The file is empty.": "文件是空的。",
    "The file is larger than announced, or than this server takes.": "文件比声明的大小或本服务器允许的大小更大。",
    "The file could not be stored. Try again later.": "文件未能保存，请稍后再试。",
    "The file is too large: at most {megabytes} MB are taken.": "文件过大：最多 {megabytes} MB。",
    "Too many uploads at once. Wait until one has ended.": "同时上传的文件过多，请等其中一个完成。",
    "You have uploaded as much as one day allows. Try again later.": "今天的上传量已达上限，请稍后再试。",
    "There is no such file.": "没有这个文件。",
    "Another request is busy with this upload.": "另一个请求正在处理这次上传。",
    "This upload is not complete yet.": "这次上传尚未完成。",
    "This upload is complete.": "这次上传已经完成。",
    "There is no such upload.": "没有这次上传。",
    "The upload goes on at another offset: ask for it with HEAD.": "续传位置不符：请先用 HEAD 查询。",
    "This version of tus is not spoken here: {version}.": "这里不支持该版本的 tus：{version}。",
    "The header {header} must be a whole number.": "请求头 {header} 必须是整数。",
    "The header {header} is too long.": "请求头 {header} 过长。",
    "The header {header} is not right.": "请求头 {header} 不正确。",
    "Send the bytes as application/offset+octet-stream.": "请以 application/offset+octet-stream 发送内容。",
    "This server takes no files of this kind.": "本服务器不接受此类文件。",
    "Web pages and SVG drawings are not taken. Send them inside a ZIP file.": (
        "不接受网页和 SVG 图形，请打包成 ZIP 文件后发送。"
    ),
    "The storage of files does not answer. Try again later.": "文件存储没有响应，请稍后再试。",
    "Only pictures are taken here: JPEG, PNG, GIF, WebP or AVIF.": "这里只接受图片：JPEG、PNG、GIF、WebP 或 AVIF。",
    "The picture is damaged and cannot be read.": "图片已损坏，无法读取。",
    "The picture has too many pixels: at most {megapixels} million are taken.": (
        "图片像素过多：最多 {megapixels} 百万像素。"
    ),
    "The animation is too long: make it smaller or shorter.": "动画过长：请缩小尺寸或缩短时长。",
    # imtornado/frames.py, imtornado/live/, handlers/chat.py, handlers/message.py
    "The text is longer than {limit} bytes.": "文本超过 {limit} 字节。",
    "dstid must be the id of a user or a community.": "dstid 必须是用户或群的编号。",
    "This kind of media is unknown.": "未知的消息类型。",
    "The message is empty.": "消息为空。",
    "Texts must not hold NUL.": "文本不能含有空字符。",
    "cid must be 1 to 64 printable ASCII characters.": "cid 必须是 1 到 64 个可打印的 ASCII 字符。",
    "mention holds at most {limit} ids of users.": "mention 最多包含 {limit} 个用户编号。",
    "file holds a number that is not right.": "file 中的数字不正确。",
    "file holds a text that is too long.": "file 中的文本过长。",
    "file holds a text that is not the JSON of a file.": "file 不是正确的 JSON。",
    "The frame is not right: {why}": "消息帧格式不正确：{why}",
    "The frame is not a JSON object.": "消息帧不是 JSON 对象。",
    "{name} is longer than {limit} characters.": "{name} 超过 {limit} 个字符。",
    "{name} must be a number from 0 to 2**53 - 1.": "{name} 必须是 0 到 2**53 - 1 之间的整数。",
    "Name before or after, not both.": "before 与 after 只能指定一个。",
    "This is not a cursor that this server gave.": "这不是本服务器给出的游标。",
    "rid is longer than 64 characters.": "rid 超过 64 个字符。",
    "Log in first.": "请先登录。",
    "cid is needed: 1 to 64 printable ASCII characters, new for every message.": (
        "缺少 cid：1 到 64 个可打印的 ASCII 字符，每条消息都要不同。"
    ),
    "Too many messages. Slow down.": "消息发送过快，请慢一点。",
    "READ takes kind, dstid and seq.": "READ 需要 kind、dstid 和 seq。",
    "TYPING takes kind and dstid.": "TYPING 需要 kind 和 dstid。",
    "SIGNAL takes kind 10, dstid and data.": "SIGNAL 需要 kind 10、dstid 和 data。",
    "data is longer than {limit} bytes.": "data 超过 {limit} 字节。",
    "Too many signals. Slow down.": "信令发送过于频繁，请稍候。",
    "PRESENCE takes at most {limit} userids.": "PRESENCE 最多包含 {limit} 个 userids。",
    "This cmd is unknown.": "未知的 cmd。",
    "The server is busy: it is not known whether this was done. Send it again.": (
        "服务器繁忙：尚不清楚是否已完成，请重新发送。"
    ),
    "kind is 10 for a single chat or 11 for a community.": "kind 为 10 表示单聊，11 表示群聊。",
    "cmd is 10 for a single chat or 11 for a community.": "cmd 为 10 表示单聊，11 表示群聊。",
    "The server is about to restart. Connect again in a moment.": "服务器即将重启，请稍后重新连接。",
    "The server has as many connections as it can serve.": "服务器的连接数已达上限。",
    "You are connected too often at once. Close another window or device.": (
        "你同时打开的连接过多，请关闭其他窗口或设备。"
    ),
    # storage/
    "This mobile is registered already.": "该手机号已注册。",
    "This account is disabled.": "该账号已被停用。",
    "There is no such session.": "没有这个登录会话。",
    "There is no such conversation.": "没有这个会话。",
    "This exists already.": "已经存在。",
    "Another message was sent with this cid.": "已有另一条消息使用了这个 cid。",
    "There is no such message.": "没有这条消息。",
    "There is no message to reply to.": "没有可回复的消息。",
    "The database is busy. Please try again.": "数据库繁忙，请重试。",
    "There is no storage backend {backend}. Known: {known}.": "没有名为 {backend} 的存储后端。可用的有：{known}。",
    "Write sqlite:///data/im.db or sqlite:////var/lib/im.db.": "请写成 sqlite:///data/im.db 或 sqlite:////var/lib/im.db。",
    "Write mysql://user:password@host:3306/name, or with ?unix_socket=/path or ?ssl_ca=/path at its end; special"
    " characters as %40 for @, %3A for :, %2F for /.": (
        "请写成 mysql://用户:密码@主机:3306/库名，末尾可加 ?unix_socket=/路径 或 ?ssl_ca=/路径；"
        "特殊字符须转义：@ 写成 %40，: 写成 %3A，/ 写成 %2F。"
    ),
    "The folder of the database cannot be made: {reason}.": "无法创建数据库所在的文件夹：{reason}。",
}


def translated(error: ImError, language: str) -> str:
    """The error's sentence in "zh" or "en"; English where nobody has translated it."""
    template = CHINESE.get(error.sentence, error.sentence) if language == "zh" else error.sentence
    return template.format(**error.values)
