"""Bringing a database to the schema of this program: `imtornado migrate`, and every start.

Raises: UnfitDatabase for a server that is not fit; SchemaError where the database is newer than the program, or older
and not to be touched, or where a migration fails; Busy.
"""

import logging
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from storage.database import Database, UnfitDatabase, Use
from storage.migration_steps import create_history

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "migrations"


class SchemaError(UnfitDatabase):
    """The schema of the database and the program do not fit; the text says what to do."""


def pending(database: Database) -> tuple[str, ...]:
    """Names of the migrations that the database lacks, in order. Raises: SchemaError for a newer database."""
    with database.reading():
        pass  # a database that cannot be opened is Busy, here as everywhere
    rows = _runner(database).status()
    unknown = [row.name for row in rows if row.path is None]
    if unknown:
        raise SchemaError(
            f"The database was upgraded by a newer version of imtornado (it has {', '.join(unknown)}). "
            "Install that version, or restore a backup from before the upgrade."
        )
    return tuple(row.name for row in rows if not row.applied)


def migrate(database: Database) -> tuple[str, ...]:
    """Applies what is pending and gives the names; of several processes at once one does it, the others wait."""
    database.check_server(Use.MIGRATE)
    with database.migrating():
        if not pending(database):
            return ()
        try:
            database.collate()
            runner = _runner(database)
            create_history(runner)
            names = tuple(runner.up())
        except peewee.PeeweeException as error:
            raise SchemaError(
                f"The schema could not be brought up to date. {database.half_migrated} ({_first(error)})"
            ) from error
    log.info("schema brought up to date: %s", ", ".join(names))
    return names


def applied(database: Database) -> tuple[str, ...]:
    """Names of the migrations that the database has, in order."""
    return tuple(row.name for row in _runner(database).status() if row.applied)


def require_current(database: Database, use: Use = Use.WORK) -> None:
    """Raises: SchemaError for a database that is newer or older than this program."""
    database.check_server(use)
    names = pending(database)
    if names:
        raise SchemaError(f"The database lacks {', '.join(names)}. Run `imtornado migrate` first.")


def _first(error: BaseException) -> BaseException:
    """What went wrong, and not what went wrong because of it: a roll-back finds nothing to undo."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _runner(database: Database) -> Runner:
    return Runner(database.orm, str(FOLDER))
