"""What migrations are made of: steps that look first whether they have been done.

MySQL cannot undo a change of the schema: a migration that was killed between two of its statements is run again from
its beginning. On SQLite all of a migration is one transaction, and a table that is there already is somebody else's.
"""

from collections.abc import Sequence

import peewee
from playhouse.migrations import Runner


def create_tables(db: peewee.Database, models: Sequence[type[peewee.Model]]) -> None:
    """Tables in the given order, and their indexes. Raises: peewee.PeeweeException for a table that is not ours."""
    if isinstance(db, peewee.SqliteDatabase):
        db.create_tables(models, safe=False)
        return
    for model in models:
        meta = model._meta
        table = meta.table_name
        if not db.table_exists(table):
            model._schema.create_table(safe=False)  # type: ignore[attr-defined]  # without indexes
        columns = {column.name for column in db.get_columns(table)}
        if columns < {field.column_name for field in meta.sorted_fields}:
            raise peewee.ProgrammingError(f"the table {table} is not one of imtornado: it has {sorted(columns)}")
        for index in meta.fields_to_index():
            add_index(db, table, index._name, [str(part.column_name) for part in index._expressions], index._unique)


def create_history(runner: Runner) -> None:
    """The table of applied migrations, which the runner itself would leave without its index when killed."""
    if not isinstance(runner.database, peewee.SqliteDatabase):
        create_tables(runner.database, [runner.History])


def add_column(db: peewee.Database, table: str, column: str, definition: str) -> None:
    """Never by peewee's migrator: on SQLite it would make the table anew, with a rowid."""
    if column not in {found.name for found in db.get_columns(table)}:
        db.execute_sql(f"ALTER TABLE `{table}` ADD COLUMN `{column}` {definition}")  # type: ignore[no-untyped-call]


def add_index(db: peewee.Database, table: str, name: str, columns: Sequence[str], unique: bool = False) -> None:
    if name not in _indexes(db, table):
        kind = "UNIQUE INDEX" if unique else "INDEX"
        parts = ", ".join(f"`{column}`" for column in columns)
        db.execute_sql(f"CREATE {kind} `{name}` ON `{table}` ({parts})")  # type: ignore[no-untyped-call]


def drop_index(db: peewee.Database, table: str, name: str) -> None:
    if name in _indexes(db, table):
        of_table = "" if isinstance(db, peewee.SqliteDatabase) else f" ON `{table}`"
        db.execute_sql(f"DROP INDEX `{name}`{of_table}")  # type: ignore[no-untyped-call]


def _indexes(db: peewee.Database, table: str) -> set[str]:
    return {index.name for index in db.get_indexes(table)}
