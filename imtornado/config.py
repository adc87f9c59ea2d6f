"""The settings: every key with its type, default and meaning, and where values come from.

Order: defaults < file < environment `IMTORNADO_SECTION_KEY` < `--set section.key=value`. All problems are
reported at once, each with its section and key. `config.example.ini` is what `example()` gives, held so by a test.
"""

import configparser
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

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
    ] = 1500


class Search(msgspec.Struct, frozen=True):
    """[search]"""

    enabled: Annotated[bool, _doc("keep an index of all texts, by which users find messages")] = True
    busy_percent: Annotated[
        int,
        Meta(ge=1, le=50),
        _doc("most of a thread's time that the index takes while many messages come; it is behind when that is short"),
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


class ConfigError(Exception):
    """`problems` are sentences, each naming the section and key at fault and what would be right."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def sections() -> dict[str, type[msgspec.Struct]]:
    """{section: its class}, in the order of the example file."""
    return get_type_hints(Config)


def load(file: Path | None = None, environment: Mapping[str, str] = os.environ, settings: Sequence[str] = ()) -> Config:
    """The settings from all sources; `settings` are "section.key=value". Raises: ConfigError with all problems."""
    problems: list[str] = []
    values: dict[str, dict[str, str]] = {name: {} for name in sections()}
    for source, section, key, value in (
        *_from_file(file, problems),
        *_from_environment(environment),
        *_from_settings(settings, problems),
    ):
        if section not in values:
            problems.append(f"{source}: there is no section [{section}]; known: {', '.join(values)}")
        elif key not in sections()[section].__struct_fields__:
            problems.append(f"{source}: there is no key {section}.{key}; known: {_keys(section)}")
        else:
            values[section][key] = value
    built = {name: _build(name, given, problems) for name, given in values.items()}
    if problems:
        raise ConfigError(problems)
    config = msgspec.convert(built, Config, from_attributes=True)
    problems = list(_contradictions(config))
    if problems:
        raise ConfigError(problems)
    return config


def example() -> str:
    """The text of config.example.ini: every key with what it does and its default."""
    lines = [
        "# Settings of imtornado. Every line here states the default: keep only what you change.",
        "# Copy this file to config.ini in the folder in which the server is started, or name it: --config FILE.",
        "# Each key can also be set by the environment, IMTORNADO_SERVER_PORT=8082, or by --set server.port=8082.",
    ]
    for name, kind in sections().items():
        lines += ["", f"[{name}]"]
        for field in msgspec.structs.fields(kind):
            lines += [f"# {_meaning(kind, field.name)}", f"{field.name} = {_written(field.default)}".rstrip()]
    return "\n".join(lines) + "\n"


def _meaning(kind: type[msgspec.Struct], key: str) -> str:
    """The description of the key, and what may be written where that does not go without saying."""
    hint = get_type_hints(kind, include_extras=True)[key]
    descriptions = [meta.description for meta in hint.__metadata__ if meta.description]
    choices = get_args(hint.__origin__) if get_origin(hint.__origin__) is Literal else ()
    return "; ".join([*descriptions, *([f"one of: {', '.join(choices)}"] if choices else [])])


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _contradictions(config: Config) -> Iterator[str]:
    """What is wrong although each value alone has the right form."""
    server = config.server
    if bool(server.tls_cert) != bool(server.tls_key):
        yield "server.tls_cert and server.tls_key belong together: set both or neither"
    for key, file in (("tls_cert", server.tls_cert), ("tls_key", server.tls_key)):
        if file and not Path(file).is_file():
            yield f"server.{key} = {file!r}: there is no such file"
    yield from _upload_contradictions(config.uploads)
    for proxy in server.trusted_proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            yield f"server.trusted_proxies: {proxy!r} is neither an IP address nor a network like 10.0.0.0/8"
    for host in server.hosts:
        if "/" in host or "*" in host:
            yield f"server.hosts: {host!r} is not a host name; write chat.example.org, without https:// and paths"


def _upload_contradictions(uploads: Uploads) -> Iterator[str]:
    if uploads.store and not re.fullmatch(r"s3://[^/\s]+(/[^\s]*)?", uploads.store):
        yield f"uploads.store = {uploads.store!r}: write s3://BUCKET or s3://BUCKET/PREFIX, or leave it empty"
    if uploads.presigned and not uploads.store:
        yield "uploads.presigned needs uploads.store: only a bucket gives out such addresses"
    if uploads.accel and uploads.store:
        yield "uploads.accel and uploads.store exclude each other: nginx sends files of uploads.folder"
    if uploads.accel and not re.fullmatch(r"/[A-Za-z0-9_./-]+/", uploads.accel):
        yield f"uploads.accel = {uploads.accel!r}: write a path that begins and ends with /, such as /stored/"
    if uploads.s3_credentials and not Path(uploads.s3_credentials).is_file():
        yield f"uploads.s3_credentials = {uploads.s3_credentials!r}: there is no such file"
    for key, url in (("s3_endpoint", uploads.s3_endpoint), ("base_url", uploads.base_url)):
        if url and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", url):
            yield f"uploads.{key} = {url!r}: write https://HOST, without a path"


def _keys(section: str) -> str:
    return ", ".join(sections()[section].__struct_fields__)


def _from_file(file: Path | None, problems: list[str]) -> list[tuple[str, str, str, str]]:
    if file is None:
        return []
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text(encoding="utf-8"), source=str(file))
    except OSError as error:
        problems.append(f"{file}: {error.strerror}")
        return []
    except (configparser.Error, UnicodeDecodeError) as error:
        problems.append(f"{file}: {error}")
        return []
    return [(str(file), name, key, value) for name in parser.sections() for key, value in parser[name].items()]


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """IMTORNADO_SECTION_KEY of known sections; other names with the prefix are not ours to judge."""
    found = []
    for name, value in environment.items():
        match = re.fullmatch(r"IMTORNADO_([A-Z0-9]+)_([A-Z0-9_]+)", name)
        if match and match[1].lower() in sections():
            found.append((name, match[1].lower(), match[2].lower(), value))
    return found


def _from_settings(settings: Sequence[str], problems: list[str]) -> list[tuple[str, str, str, str]]:
    found = []
    for setting in settings:
        match = re.fullmatch(r"\s*([a-z0-9]+)\.([a-z0-9_]+)\s*=(.*)", setting, re.DOTALL)
        if match:
            found.append((f"--set {match[1]}.{match[2]}", match[1], match[2], match[3].strip()))
        else:
            problems.append(f"--set {setting.split('=')[0]}: write section.key=value, for example server.port=8082")
    return found


def _build(section: str, given: dict[str, str], problems: list[str]) -> msgspec.Struct:
    kind = sections()[section]
    good: dict[str, Any] = {}
    for key, text in given.items():
        hint = get_type_hints(kind, include_extras=True)[key]
        try:
            good[key] = msgspec.convert(_parsed(text, get_type_hints(kind)[key]), hint, strict=False)
        except msgspec.ValidationError:
            problems.append(f"{section}.{key} = {text!r}: {_expected(hint)}")
    return kind(**good)


def _expected(hint: Any) -> str:
    """What to write instead, in words."""
    if get_origin(hint.__origin__) is Literal:
        return f"write one of {', '.join(get_args(hint.__origin__))}"
    if hint.__origin__ is bool:
        return "write yes or no"
    bounds = [meta for meta in hint.__metadata__ if meta.ge is not None]
    if bounds and bounds[0].le is not None:
        return f"write a whole number from {bounds[0].ge} to {bounds[0].le}"
    return f"write a whole number, at least {bounds[0].ge}" if bounds else "this cannot be used"


def _parsed(text: str, hint: object) -> object:
    if hint is bool:
        return configparser.ConfigParser.BOOLEAN_STATES.get(text.lower(), text)
    if hint == Words:
        return tuple(text.replace(",", " ").split())
    return text
