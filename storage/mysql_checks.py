"""Is the server fit for us? Asked once at the start; every answer of no is one line that says what to do."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from storage.schema import MODELS

LEAST_MARIADB = (10, 6, 0)
LEAST_MYSQL = (8, 0, 17)  # the first that compares texts byte for byte with trailing blanks
WORK = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
SCHEMA = frozenset({"CREATE", "ALTER", "DROP", "INDEX", "REFERENCES"})
_GRANT = re.compile(r"GRANT (.+) ON (\*|`(?:[^`]|``)*`)\.\* TO .*")
_ROLE = re.compile(r"GRANT (?!.* ON ).* TO .*")


def collation_of(version: str) -> str:
    """The server's collation by which texts are compared byte for byte: case and trailing blanks count."""
    return "utf8mb4_nopad_bin" if "mariadb" in version.lower() else "utf8mb4_0900_bin"


def durability_problems(cursor: Any) -> Iterator[str]:
    """Why the server may lose what it has committed."""
    found = _variables(cursor, "innodb_flush_log_at_trx_commit", "log_bin", "sync_binlog", "debug_no_sync")
    for name, value, needed in (
        ("innodb_flush_log_at_trx_commit", found.get("innodb_flush_log_at_trx_commit"), True),
        ("sync_binlog", found.get("sync_binlog"), found.get("log_bin") == "ON"),
    ):
        if needed and value != "1":
            yield (
                f"{name} is {value}: what was committed may be lost in a power cut. Set {name} = 1 in the server's"
                " [mysqld] section."
            )
    if found.get("debug_no_sync") == "ON":
        yield "debug_no_sync is ON: nothing is written to the disk in time. Start the server without it."


def problems(cursor: Any, database: str, *, migrates: bool) -> Iterator[str]:
    """What is wrong with the server, the database or the rights of its user; `migrates`: he is to make tables too."""
    (version,) = _one(cursor, "SELECT version()")
    too_old = _too_old(version)
    if too_old:
        yield too_old
        return
    (innodb,) = _one(cursor, "SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'") or ("NO",)
    if innodb not in ("YES", "DEFAULT"):
        yield "InnoDB is switched off: only it keeps transactions. Start the server with it."
    yield from _table_problems(cursor, collation_of(version))
    cursor.execute("SHOW GRANTS")
    lacking = lacking_rights((row[0] for row in cursor.fetchall()), database, WORK | SCHEMA if migrates else WORK)
    if lacking:
        yield (
            f"The user lacks {', '.join(sorted(lacking))} on the database {database}. As administrator:"
            f" GRANT {', '.join(sorted(WORK | SCHEMA))} ON `{database}`.* TO …"
        )


def lacking_rights(grants: Iterable[str], database: str, wanted: frozenset[str]) -> set[str]:
    """Of the wanted rights those that no line of SHOW GRANTS gives; none where a role may give them."""
    lacking = set(wanted)
    for line in grants:
        match = _GRANT.fullmatch(line)
        if match and _covers(match[2], database):
            if match[1].startswith("ALL PRIVILEGES"):
                return set()
            lacking -= set(match[1].split(", "))
        elif _ROLE.fullmatch(line):
            return set()
    return lacking


def _covers(pattern: str, database: str) -> bool:
    """`pattern` as GRANT shows it: `*`, or a name in which _ and % stand for others unless a \\ precedes them."""
    if pattern == "*":
        return True
    name = pattern[1:-1].replace("``", "`")
    parts = re.findall(r"\\.|.", name, re.DOTALL)
    wild = {"_": ".", "%": ".*"}
    return (
        re.fullmatch("".join(wild.get(part) or re.escape(part[-1]) for part in parts), database, re.DOTALL) is not None
    )


def _too_old(version: str) -> str:
    numbers = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)", version)
    found = tuple(map(int, numbers.groups())) if numbers else (0, 0, 0)
    name, least = ("MariaDB", LEAST_MARIADB) if "mariadb" in version.lower() else ("MySQL", LEAST_MYSQL)
    if found >= least:
        return ""
    return f"The server is {name} {version}: {name} {'.'.join(map(str, least))} or newer is needed."


def _table_problems(cursor: Any, collation: str) -> Iterator[str]:
    cursor.execute(
        "SELECT table_name, engine, table_collation FROM information_schema.tables"
        " WHERE table_schema = database() AND table_type = 'BASE TABLE'"
        " AND (engine <> 'InnoDB' OR table_collation <> %s)",
        (collation,),
    )
    ours = {model._meta.table_name for model in MODELS}
    for table, engine, found in cursor.fetchall():
        if table in ours and engine != "InnoDB":
            yield f"The table {table} is of the engine {engine}: ALTER TABLE `{table}` ENGINE = InnoDB."
        elif table in ours:
            yield (
                f"The table {table} compares texts by {found}, which takes different keys for one:"
                f" ALTER TABLE `{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}."
            )


def _variables(cursor: Any, *names: str) -> dict[str, str]:
    """Those that the server has."""
    cursor.execute(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({', '.join(['%s'] * len(names))})", names)
    return {name.lower(): value for name, value in cursor.fetchall()}


def _one(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchone()
