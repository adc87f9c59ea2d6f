"""Is the server fit for us? Asked once at the start; every answer of no is one line that says what to do."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from storage.database import Use
from storage.schema import MODELS

LEAST_MARIADB = (10, 6, 0)
LEAST_MYSQL = (8, 0, 17)  # the first that compares texts byte for byte with trailing blanks
LEAST_PACKET_BYTES = 1 << 20  # the longest message with all its escapes and a batch's rows have room in it
READ = frozenset({"SELECT"})
WORK = READ | {"INSERT", "UPDATE", "DELETE"}
SCHEMA = frozenset({"CREATE", "ALTER", "DROP", "INDEX", "REFERENCES"})
_RIGHTS = {Use.READ: READ, Use.WORK: WORK, Use.MIGRATE: WORK | SCHEMA}
_READ_ONLY = ("read_only", "super_read_only", "innodb_read_only", "transaction_read_only", "tx_read_only")
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


def problems(cursor: Any, use: Use, connections: int) -> Iterator[str]:
    """What is wrong with the server, the database or the rights of its user, who needs so many connections."""
    version, database, account = _one(cursor, "SELECT version(), database(), current_user()")
    too_old = _too_old(version)
    if too_old:
        yield too_old
        return
    (innodb,) = _one(cursor, "SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'") or ("NO",)
    if innodb not in ("YES", "DEFAULT"):
        yield "InnoDB is switched off: only it keeps transactions. Start the server with it."
    yield from _table_problems(cursor, collation_of(version))
    cursor.execute("SHOW GRANTS")
    lacking = lacking_rights((row[0] for row in cursor.fetchall()), database, _RIGHTS[use])
    if lacking:
        user, _, host = account.rpartition("@")
        yield (
            f"The user lacks {', '.join(sorted(lacking))} on the database {database}. As administrator:"
            f" GRANT {', '.join(sorted(_RIGHTS[use]))} ON `{database}`.* TO '{user}'@'{host}'"
        )
    if use >= Use.WORK:
        yield from _obstacles(cursor, connections)
    if use >= Use.MIGRATE:
        yield from _obstacles_to_tables(cursor)


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


def _obstacles(cursor: Any, connections: int) -> Iterator[str]:
    """Why what is to be stored would be refused."""
    found = _variables(cursor, *_READ_ONLY, "max_allowed_packet", "max_connections", "log_bin", "binlog_format")
    on = [name for name in _READ_ONLY if found.get(name, "OFF") not in ("OFF", "0")]
    if on:
        yield (
            f"The server takes no changes: {on[0]} is {found[on[0]]}. Name the server that is written to in"
            f" storage.url, or switch {on[0]} off."
        )
    packet_bytes = int(found["max_allowed_packet"])
    if packet_bytes < LEAST_PACKET_BYTES:
        yield (
            f"max_allowed_packet is {packet_bytes}, too small for long messages. Set max_allowed_packet = 16M in the"
            " server's [mysqld] section."
        )
    if found.get("log_bin") == "ON" and found.get("binlog_format") == "STATEMENT":
        yield (
            "binlog_format is STATEMENT, with which InnoDB refuses what we write (READ COMMITTED). Set"
            " binlog_format = ROW in the server's [mysqld] section."
        )
    (of_account,) = _one(cursor, "SELECT @@max_user_connections")
    limits = {"max_connections": int(found["max_connections"]), "max_user_connections": int(of_account)}
    for name, limit in limits.items():
        if 0 < limit < connections:
            yield (
                f"{name} is {limit}, and this process alone may open {connections} connections. Set {name} to 200, or"
                " storage.threads and storage.writers lower."
            )


def _obstacles_to_tables(cursor: Any) -> Iterator[str]:
    found = _variables(cursor, "innodb_default_row_format", "enforce_storage_engine")
    row_format = found.get("innodb_default_row_format", "dynamic")
    if row_format.lower() != "dynamic":
        yield (
            f"innodb_default_row_format is {row_format}, which has no room for our indexes. Set"
            " innodb_default_row_format = dynamic, the default, in the server's [mysqld] section."
        )
    engine = found.get("enforce_storage_engine", "")
    if engine.lower() not in ("", "innodb"):
        yield f"enforce_storage_engine is {engine}: tables of InnoDB cannot be made. Switch it off."


def _variables(cursor: Any, *names: str) -> dict[str, str]:
    """Those that the server has."""
    cursor.execute(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({', '.join(['%s'] * len(names))})", names)
    return {name.lower(): value for name, value in cursor.fetchall()}


def _one(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchone()
