"""`imtornado copy`: a whole database into another one, from SQLite to MySQL and back."""

import argparse
import os
import sys
import time
from contextlib import ExitStack, closing

from imtornado.commands.command import Refusal, add_command
from imtornado.commands.progress import Progress
from imtornado.config import Config
from storage.backends import open_database, sqlite_path
from storage.copying import opened, release
from storage.serving import require_unused, serving

FROM_SETTINGS, FROM_ENVIRONMENT = "storage.url", "env:"
PLACES = (
    "sqlite:///PATH or mysql://USER:PASSWORD@HOST:PORT/NAME; `storage.url`: the one of the settings; `env:NAME`: the "
    "one in the environment variable NAME"
)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    copy = add_command(commands, "copy", _copy, "copy all data of one database into an empty one, SQLite or MySQL")
    copy.add_argument("source", metavar="FROM", help=f"where the data are; no server may run on it. {PLACES}")
    copy.add_argument("target", metavar="TO", help="an empty database, named in the same ways")
    copy.epilog = (
        "A copy that was interrupted, in whatever way, goes on when the same command is given again. At the end every "
        "table is read once more on both sides and compared. Uploaded files are not in the database: they stay where "
        "they are. Accounts and sessions stay valid. Every user of the machine can read a command line: name a "
        "database with a password by the settings or the environment."
    )


def database_url(place: str, config: Config) -> str:
    """The URL that FROM or TO names. Raises: Refusal."""
    if place == FROM_SETTINGS:
        return config.storage.url
    if place.startswith(FROM_ENVIRONMENT):
        name = place.removeprefix(FROM_ENVIRONMENT)
        if not os.environ.get(name):
            raise Refusal(f"the environment has no variable {name!r}")
        return os.environ[name]
    return place


def _copy(config: Config, options: argparse.Namespace) -> None:
    source_url, target_url = (database_url(place, config) for place in (options.source, options.target))
    path = sqlite_path(source_url)
    if path is not None and not path.is_file():
        raise Refusal(f"there is no database at {path}")
    target_path = sqlite_path(target_url)
    same_file = path is not None and target_path is not None and path.resolve() == target_path.resolve()
    if same_file or source_url == target_url:
        raise Refusal("FROM and TO are the same database")
    start, unsafe = time.monotonic(), config.storage.unsafe_durability
    with ExitStack() as stack:
        for url in (source_url, target_url):
            require_unused(url)
        source, target = (
            stack.enter_context(closing(open_database(url, unsafe_durability=unsafe, patient=True)))
            for url in (source_url, target_url)
        )
        for url in (source_url, target_url):
            stack.enter_context(serving(url, purpose="imtornado copy"))
        with opened(source, target) as copying:
            steps = copying.steps()
            progress = Progress(steps, sys.stderr)
            digests = copying.run(
                lambda table, done: progress.show(done, f"{done:,} of {steps:,} rows copied and compared, {table}")
            )
        release(target)
    rows = sum(digest.rows for digest in digests.values())
    print(
        f"{rows:,} rows in {len(digests)} tables are the same in both databases, "
        f"{digests['message'].rows:,} messages among them ({time.monotonic() - start:.0f} s).\n"
        "Set storage.url to the new database and start the server; keep the old one until you have seen it work."
    )
