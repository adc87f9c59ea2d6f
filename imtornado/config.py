"""The settings: every key with its type, default and meaning. `config_sources` tells where values come from."""

from typing import Annotated, Literal, get_type_hints

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Words = tuple[str, ...]


def _doc(text: str) -> Meta:
    return Meta(description=text)


class Server(msgspec.Struct, frozen=True):
    """[server]"""

    host: Annotated[str, _doc("address to listen on; 0.0.0.0 lets the network in")] = "127.0.0.1"
    port: Annotated[Port, _doc("0 picks a free one and prints it")] = 8081
    hosts: Annotated[
        Words, _doc("names, separated by spaces, under which browsers may call; IP addresses and localhost always work")
    ] = ()
    trusted_proxies: Annotated[
        Words, _doc("addresses of reverse proxies whose X-Forwarded-For and -Proto are believed")
    ] = ()
    fast_transport: Annotated[
        bool, _doc("hand plain sockets to the event loop's own transport after the upgrade, if a check at start works")
    ] = True
    tls_cert: Annotated[str, _doc("PEM file with the certificate chain; empty: plain HTTP")] = ""
    tls_key: Annotated[str, _doc("PEM file with the private key")] = ""
    heartbeat_s: Annotated[Positive, _doc("a silent socket is pinged after this, gone after twice this")] = 25
    outbox_bytes: Annotated[
        Positive, _doc("most bytes waiting for one socket; a slower reader is closed with 4000")
    ] = 524288
    max_sockets: Annotated[Positive, _doc("open chat sockets of the whole process")] = 18000
    max_sockets_user: Annotated[Positive, _doc("open chat sockets of one user")] = 20
    drain_notice_s: Annotated[Count, _doc("seconds between /readyz saying 503 and the listener closing at SIGTERM")] = 0
    compression: Annotated[
        bool, _doc("permessage-deflate for clients that offer it; saves bytes, costs processor time")
    ] = False


class Storage(msgspec.Struct, frozen=True):
    """[storage]"""

    url: Annotated[
        str, _doc("sqlite:///data/im.db (relative), sqlite:////var/lib/im.db or mysql://user:password@host:3306/im")
    ] = "sqlite:///data/im.db"
    auto_migrate: Annotated[bool, _doc("bring the schema up to date at start")] = True
    threads: Annotated[
        Positive, _doc("threads, each with a connection of its own, for everything but the message writer")
    ] = 4
    queue: Annotated[Positive, _doc("calls that may wait for those threads; more are told to come back")] = 256
    wait_ms: Annotated[
        Positive, _doc("a call that no thread has taken for so long is told to come back, and is not made")
    ] = 10_000
    slow_query_ms: Annotated[
        Count, _doc("a transaction that takes longer is logged with its name, never with what it was about; 0: none")
    ] = 200
    writers: Annotated[
        int,
        Meta(ge=1, le=64),
        _doc("threads that commit messages, a conversation always on the same one; on SQLite there is one"),
    ] = 2
    unsafe_durability: Annotated[bool, _doc("start although the database may lose what it has committed")] = False


class Accounts(msgspec.Struct, frozen=True):
    """[accounts]"""

    registration: Annotated[
        Literal["open", "invite", "closed"],
        _doc("who may register; the first account always may, and is administrator"),
    ] = "open"
    bcrypt_rounds: Annotated[int, Meta(ge=4, le=16), _doc("cost of a password hash; each step doubles it")] = 12
    session_days: Annotated[Positive, _doc("days until a log-in must be repeated")] = 90
    password_threads: Annotated[Positive, _doc("threads for password hashes")] = 1
    password_queue: Annotated[Positive, _doc("log-ins that may wait for those threads")] = 32


class Contacts(msgspec.Struct, frozen=True):
    """[contacts]"""

    confirm: Annotated[bool, _doc("a friend must accept; no: both are friends at once, as in the original")] = True


class Communities(msgspec.Struct, frozen=True):
    """[communities]"""

    max_owned: Annotated[Positive, _doc("communities that one user may own")] = 5


class Messages(msgspec.Struct, frozen=True):
    """[messages]"""

    max_content_bytes: Annotated[int, Meta(ge=1, le=60_000), _doc("longest text of a message, in bytes of UTF-8")] = (
        60_000
    )
    recall_s: Annotated[Count, _doc("seconds in which a sender may recall or edit")] = 120
    keep_days: Annotated[Count, _doc("messages older than so many days are removed for ever; 0: none are")] = 0
    unacked: Annotated[int, Meta(ge=1, le=1024), _doc("messages that a socket may have waiting for their ACK")] = 64
    queue: Annotated[Positive, _doc("messages that may wait for the writer")] = 20_000
    queue_bytes: Annotated[Positive, _doc("bytes of messages that may wait for the writer")] = 67_108_864
    busy_after_ms: Annotated[
        int, Meta(ge=100, le=2000), _doc("a message without outcome for so long is answered with 50301")
    ] = 1000


class Search(msgspec.Struct, frozen=True):
    """[search]"""

    enabled: Annotated[bool, _doc("keep an index of all texts, by which users find messages")] = True
    busy_percent: Annotated[
        int,
        Meta(ge=1, le=50),
        _doc("most of a thread's time that the index takes while more than 6,000 messages a second come"),
    ] = 5


class Uploads(msgspec.Struct, frozen=True):
    """[uploads]"""

    folder: Annotated[str, _doc("where uploaded files live, and where they arrive")] = "resource"
    store: Annotated[
        str, _doc("s3://BUCKET/PREFIX keeps them in S3-compatible storage (extra s3); empty: in uploads.folder")
    ] = ""
    s3_endpoint: Annotated[str, _doc("address of a storage that is not Amazon's, https://HOST:PORT")] = ""
    s3_region: Annotated[str, _doc("region of the bucket")] = "us-east-1"
    s3_credentials: Annotated[
        str,
        _doc(
            "file with aws_access_key_id and aws_secret_access_key; empty: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ),
    ] = ""
    presigned: Annotated[
        bool, _doc("send readers to the bucket itself, by addresses that work for minutes; no: pass the bytes on")
    ] = False
    accel: Annotated[
        str, _doc("address that nginx maps to uploads.folder, such as /stored/: then nginx sends the files")
    ] = ""
    base_url: Annotated[
        str, _doc("what signed addresses begin with, such as https://cdn.example.org: a CDN in front of this server")
    ] = ""
    max_bytes: Annotated[Positive, _doc("largest picture")] = 10_485_760
    max_voice_bytes: Annotated[Count, _doc("largest recording (above it: a file); 0: none are taken")] = 10_485_760
    max_video_bytes: Annotated[Count, _doc("largest video; 0: none are taken")] = 104_857_600
    max_file_bytes: Annotated[Count, _doc("largest file of any other kind; 0: none are taken")] = 104_857_600
    max_pixels: Annotated[Positive, _doc("largest picture in pixels, all frames together counted four times that")] = (
        25_000_000
    )
    user_bytes: Annotated[Positive, _doc("bytes one user may upload a day")] = 1_073_741_824
    user_files: Annotated[Positive, _doc("files one user may upload a day")] = 1000
    unfinished_hours: Annotated[Positive, _doc("how long an interrupted resumable upload can go on")] = 24
    workers: Annotated[Positive, _doc("processes that decode and encode pictures")] = 1
    instant: Annotated[
        Literal["yes", "own", "no"], _doc("answer at once when a file's hash is known; own: only one's own files")
    ] = "yes"


class Caches(msgspec.Struct, frozen=True):
    """[caches]"""

    sessions: Annotated[Count, _doc("log-ins of which calls over HTTP need not ask the database; 0: none")] = 10_000
    rights: Annotated[
        Count, _doc("conversations of which it is known who may type and signal there; 0: it is asked every time")
    ] = 50_000


class Security(msgspec.Struct, frozen=True):
    """[security]"""

    throttle: Annotated[bool, _doc("rate and flood limits; no is for load tests only")] = True
    logins_per_minute: Annotated[
        Positive, _doc("log-in tries for one mobile, and three times that for one address")
    ] = 10
    registrations_per_hour: Annotated[Positive, _doc("new accounts from one address")] = 30
    lookups_per_minute: Annotated[Positive, _doc("look-ups of people by mobile or id, a session")] = 60
    searches_per_minute: Annotated[Positive, _doc("searches among messages, a session")] = 120
    messages_per_minute: Annotated[Positive, _doc("messages of one socket, with a burst of the same size")] = 600


class Log(msgspec.Struct, frozen=True):
    """[log]"""

    level: Annotated[Literal["debug", "info", "warning", "error"], _doc("least level that is written")] = "info"
    json: Annotated[bool, _doc("one JSON object a line")] = False
    access: Annotated[bool, _doc("a line for every HTTP request, without its query")] = False


class Config(msgspec.Struct, frozen=True):
    """All settings, by section."""

    server: Server = Server()
    storage: Storage = Storage()
    accounts: Accounts = Accounts()
    contacts: Contacts = Contacts()
    communities: Communities = Communities()
    messages: Messages = Messages()
    search: Search = Search()
    uploads: Uploads = Uploads()
    caches: Caches = Caches()
    security: Security = Security()
    log: Log = Log()


def sections() -> dict[str, type[msgspec.Struct]]:
    """{section: its class}, in the order of the example file."""
    return get_type_hints(Config)
