"""How a database answers the statements of a storage method: every statement is recorded, then asked for its plan."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, cast

from storage.database import Connection, Cursor, Database, Later
from storage.sql_store import SqlStore


class Step(NamedTuple):
    """One table of a plan. `scans`: all of it is walked; `sorts`: rows are sorted, or gathered in a table for it."""

    statement: str
    told: str
    scans: bool
    sorts: bool


class _Recorded:
    """A connection that notes what is read."""

    def __init__(self, connection: Connection, statements: list[tuple[str, Sequence[Any]]]) -> None:
        self._connection = connection
        self._statements = statements
        self.executemany = connection.executemany
        self.later_many = connection.later_many

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        if sql.startswith("SELECT"):
            self._statements.append((sql, parameters))
        return self._connection.execute(sql, parameters)

    def later(self, sql: str, parameters: Sequence[Any] = (), /) -> Later:
        if sql.startswith("SELECT"):
            self._statements.append((sql, parameters))
        return self._connection.later(sql, parameters)


class _Recording:
    """A database whose connections are recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements: list[tuple[str, Sequence[Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @contextmanager
    def _recorded(self, opened: AbstractContextManager[Connection]) -> Iterator[_Recorded]:
        with opened as connection:
            yield _Recorded(connection, self.statements)

    def reading(self) -> AbstractContextManager[_Recorded]:
        return self._recorded(self._database.reading())

    def writing(self, *, often: bool = False, answer_s: float = 0.0) -> AbstractContextManager[_Recorded]:
        return self._recorded(self._database.writing(often=often, answer_s=answer_s))


def selects_of(store: SqlStore, call: Callable[[], object]) -> list[tuple[str, Sequence[Any]]]:
    """Every SELECT that `call` makes in the store, with its values."""
    transactions = store._transactions
    database, recording = transactions.database, _Recording(transactions.database)
    transactions.database = cast(Database, recording)
    try:
        call()
    finally:
        transactions.database = database
    assert recording.statements, "it asks for nothing"
    return recording.statements


def plan_of(store: SqlStore, call: Callable[[], object]) -> list[Step]:
    """The steps of all SELECTs that `call` makes in the store."""
    steps = []
    statements = selects_of(store, call)
    with store._transactions.read() as tx:
        for sql, parameters in statements:
            if tx.database.many_writers:
                steps += [_mysql_step(sql, row) for row in tx.all(f"EXPLAIN {sql}", *parameters)]
            else:
                steps += [_sqlite_step(sql, row[3]) for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *parameters)]
    return steps


def analyze(store: SqlStore, tables: Sequence[str]) -> None:
    """Lets the database count its rows, as it does by itself after a while."""
    with store._transactions.write() as tx:
        for table in tables:
            if tx.database.many_writers:
                tx.all(f"ANALYZE TABLE `{table}`")


def _sqlite_step(sql: str, told: str) -> Step:
    # "SCAN m" is the whole table, "SCAN m USING INDEX" as well; what a subquery or a window gave is only its rows.
    scans = told.startswith("SCAN ") and not told.startswith(("SCAN (subquery", "SCAN CONSTANT", "SCAN x"))
    return Step(sql, told, scans, "TEMP B-TREE" in told)


def _mysql_step(sql: str, row: Sequence[Any]) -> Step:
    table, kind, extra = row[2], row[3] if len(row) == 10 else row[4], row[-1] or ""
    scans = table is not None and not str(table).startswith("<") and kind in ("ALL", "index")
    return Step(sql, f"{table}: {kind} {row[5:7]} {extra}", scans, "filesort" in extra or "temporary" in extra)
