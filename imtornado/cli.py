"""The command line: what operators type, what they are told, and the exit status.

0: done. 1: it could not be done. 2: the command or the settings are wrong; nothing was touched.
"""

import argparse
import getpass
import os
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import imtornado
from handlers.params import Params
from imtornado import config_sources as settings
from imtornado.app import address, serve
from imtornado.clock import Clock
from imtornado.commands import backup, bench, copying, files, reindex, restore
from imtornado.commands.command import DEFAULT_FILE, Command, Refusal, add_command
from imtornado.config import Config
from imtornado.config_sources import ConfigError
from imtornado.errors import BadParameter, Busy, ImError
from imtornado.passwords import Passwords, require_strong
from imtornado.services.accounts import random_nickname, require_mobile
from imtornado.services.administration import Administration
from storage.backends import check_url, open_database, open_store, sqlite_path
from storage.database import UnfitDatabase
from storage.migrate import migrate

FILE_VARIABLE = "IMTORNADO_CONFIG"
LINK_HOURS = 24
INVITATION_HOURS = 168
MAX_HOURS = 8760


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status; `arguments` are those of the process unless given."""
    options = _parser().parse_args(arguments)
    try:
        command: Command = options.command
        command(settings.load(_settings_file(options), settings=options.set), options)
    except ConfigError as error:
        _complain("the settings are wrong:", *(f"  {problem}" for problem in error.problems))
        return 2
    except BadParameter as error:
        _complain(f"{error.field}: {error}" if error.field else str(error))
        return 2
    except Busy:
        _complain("the database cannot be used now; the line above says why")
        return 1
    except (ImError, UnfitDatabase, Refusal) as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imtornado",
        description="A self-hosted instant messenger.",
        epilog="Without any settings, `imtornado serve` keeps its data in the folders data and resource and listens on "
        "http://127.0.0.1:8081. Whoever registers first is the administrator.",
    )
    parser.add_argument("--version", action="version", version=f"imtornado {imtornado.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_command(commands, "serve", _serve, "run the server until Ctrl+C or SIGTERM")
    check = add_command(
        commands, "check-config", _check_config, "say whether the settings are right, and start nothing"
    )
    check.add_argument("--example", action="store_true", help="print a settings file with every key and its default")
    add_command(commands, "migrate", _migrate, "bring the database to the schema of this version")
    users = commands.add_parser("user", help="accounts: add, passwd, disable, enable, invite")
    _add_user_commands(users.add_subparsers(title="commands", metavar="COMMAND", required=True))
    files.add_commands(commands)
    copying.add_commands(commands)
    reindex.add_commands(commands)
    backup.add_commands(commands)
    restore.add_commands(commands)
    bench.add_commands(commands)
    return parser


def _add_user_commands(users: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    asked = "the password is asked for, or read from the first line of standard input"
    add = _add_for_mobile(users, "add", _user_add, f"add an account; {asked}")
    add.add_argument("--nickname", default="", help="name that others see, up to 20 characters")
    add.add_argument("--admin", action="store_true", help="make it an administrator (the first account always is)")
    passwd = _add_for_mobile(users, "passwd", _user_passwd, f"set a new password and end all sessions; {asked}")
    passwd.add_argument(
        "--link", action="store_true", help="print a one-time link, with which the user sets it himself"
    )
    passwd.add_argument(
        "--hours", type=_hours, default=LINK_HOURS, help="how long the link works (default: %(default)s)"
    )
    _add_for_mobile(users, "disable", _user_disable, "end all sessions of an account and refuse new ones")
    _add_for_mobile(users, "enable", _user_enable, "let a disabled account log in again")
    invite = add_command(users, "invite", _user_invite, "print a link with which one person registers")
    invite.add_argument(
        "--hours", type=_hours, default=INVITATION_HOURS, help="how long the link works (default: %(default)s)"
    )


def _add_for_mobile(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: Command, meaning: str
) -> argparse.ArgumentParser:
    parser = add_command(commands, name, command, meaning)
    parser.add_argument("mobile", metavar="MOBILE", help="3 to 20 digits, with or without a + before them")
    return parser


def _serve(config: Config, _: argparse.Namespace) -> None:
    try:
        serve(config)
    except ssl.SSLError as error:
        raise Refusal(f"server.tls_cert and server.tls_key hold no certificate with its key: {error.reason}") from error
    except OSError as error:
        if error.filename is not None:
            raise Refusal(f"cannot use {error.filename}: {error.strerror}. See uploads.folder") from error
        raise Refusal(
            f"cannot serve on {config.server.host}:{config.server.port}: {error.strerror or error}. "
            "Another address or port: --set server.host=… or --set server.port=…"
        ) from error


def _check_config(config: Config, options: argparse.Namespace) -> None:
    if options.example:
        _say(settings.example().rstrip("\n"))
        return
    check_url(config.storage.url)
    _say(f"the settings are right ({_settings_file(options) or 'no settings file'})")


def _migrate(config: Config, _: argparse.Namespace) -> None:
    database = open_database(config.storage.url, unsafe_durability=config.storage.unsafe_durability)
    try:
        names = migrate(database)
    finally:
        database.close()
    _say("\n".join(f"applied {name}" for name in names) or "the database is up to date")


def _user_add(config: Config, options: argparse.Namespace) -> None:
    mobile = require_mobile(options.mobile)
    nickname = _nickname(options.nickname) if options.nickname else random_nickname()
    password_hash = _new_password_hash(config, mobile, nickname)
    with _administration(config, fresh=True) as administration:
        user = administration.add_user(mobile, nickname, password_hash)
        if options.admin and not user.is_admin:
            administration.set_admin(user.user_id, is_admin=True)
    _say(f"added {mobile}, user {user.user_id}{', administrator' if options.admin or user.is_admin else ''}")


def _user_passwd(config: Config, options: argparse.Namespace) -> None:
    with _administration(config) as administration:
        user = administration.user(options.mobile)
        if options.link:
            _say(_link(config, administration.password_link(user.user_id, options.hours), options.hours))
            return
        administration.set_password(user.user_id, _new_password_hash(config, user.mobile, user.nickname))
    _say(f"{user.mobile} has a new password; all sessions have ended")


def _user_disable(config: Config, options: argparse.Namespace) -> None:
    with _administration(config) as administration:
        administration.set_disabled(administration.user(options.mobile).user_id, disabled=True)
    _say(f"{options.mobile} is disabled; all sessions have ended")


def _user_enable(config: Config, options: argparse.Namespace) -> None:
    with _administration(config) as administration:
        administration.set_disabled(administration.user(options.mobile).user_id, disabled=False)
    _say(f"{options.mobile} may log in again")


def _user_invite(config: Config, options: argparse.Namespace) -> None:
    with _administration(config) as administration:
        _say(_link(config, administration.invitation(options.hours), options.hours))


@contextmanager
def _administration(config: Config, *, fresh: bool = False) -> Iterator[Administration]:
    """`fresh`: the database may be made by this command. Raises: Refusal where it may not, and there is none."""
    path = sqlite_path(config.storage.url)
    if path is not None and not path.exists() and not fresh:
        raise Refusal(
            f"there is no database at {path}. Run this in the folder in which the server is started, or name its "
            "settings with --config or --set storage.url=…"
        )
    clock = Clock()
    store = open_store(
        config.storage.url,
        clock,
        auto_migrate=config.storage.auto_migrate,
        unsafe_durability=config.storage.unsafe_durability,
    )
    try:
        yield Administration(store, clock)
    finally:
        store.close()


def _new_password_hash(config: Config, mobile: str, nickname: str) -> str:
    """Never an argument: those are seen by every user of the machine. Raises: BadParameter, Refusal."""
    if sys.stdin.isatty():
        password = getpass.getpass("New password: ")
        if getpass.getpass("Once more: ") != password:
            raise Refusal("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    require_strong(password, mobile, nickname, field="password")
    return Passwords(config.accounts.bcrypt_rounds).hash(password)


def _nickname(text: str) -> str:
    return Params({"nickname": text}, form=False).text("nickname", min_length=1, max_length=20, nfc=True)


def _link(config: Config, path: str, hours: int) -> str:
    base = f"https://{config.server.hosts[0]}" if config.server.hosts else address(config, config.server.port)
    return f"{base}{path}\nIt works once, for {hours} hours. Whoever has it can use it."


def _hours(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_HOURS:
        return int(text)
    raise argparse.ArgumentTypeError(f"write a whole number from 1 to {MAX_HOURS}")


def _settings_file(options: argparse.Namespace) -> Path | None:
    """What --config or IMTORNADO_CONFIG names, else config.ini where there is one."""
    if options.config is not None:
        return Path(options.config)
    if os.environ.get(FILE_VARIABLE):
        return Path(os.environ[FILE_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _say(text: str) -> None:
    print(text)


def _complain(*lines: str) -> None:
    print("imtornado:", "\n".join(lines), file=sys.stderr)
