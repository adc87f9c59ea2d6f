"""Where the values of the settings come from, and what is wrong with them.

Order: defaults < file < environment `IMTORNADO_SECTION_KEY` < `--set section.key=value`. All problems are
reported at once, each with its section and key. `config.example.ini` is what `example()` gives, held so by a test.
"""

import configparser
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from imtornado.config import Config, Uploads, Words, sections


class ConfigError(Exception):
    """`problems` are sentences, each naming the section and key at fault and what would be right."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


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
