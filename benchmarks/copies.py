"""How long it takes to move a database from SQLite to MySQL and back, to back it up and to restore it.

    python benchmarks/copies.py --source bench/im.db [--mysql mysql://user:password@host:3306/empty]

The source is an SQLite database that `imtornado bench prepare --grown --messages 1000000` has made; without --mysql a
MariaDB of its own is started in a temporary folder. Each step is the command that an operator gives, timed as a whole,
with the start of Python and the comparison of all rows at its end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from storage.backends import open_database
from storage.snapshots import digests
from storage.tables import TABLES
from tests.fixtures.mariadb import MariaDB

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--mysql", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.source.parent) as name, _mysql(options.mysql, Path(name)) as mysql_url:
        folder = Path(name)
        source_url, back_url = f"sqlite:///{options.source.resolve()}", f"sqlite:///{folder}/back.db"
        rows = _rows(source_url)
        print(f"{rows:,} rows, {options.source.stat().st_size / 1_048_576:.0f} MB as an SQLite file")
        _step("SQLite to MySQL", rows, folder, "copy", "env:FIRST", "env:SECOND", FIRST=source_url, SECOND=mysql_url)
        _step("MySQL to SQLite", rows, folder, "copy", "env:FIRST", "env:SECOND", FIRST=mysql_url, SECOND=back_url)
        same = digests(options.source) == digests(folder / "back.db")
        print(f"there and back: {'equal hashes of all tables' if same else 'DIFFERENT'}")
        _step("backup of SQLite", rows, folder, "backup", "one.tar", IMTORNADO_STORAGE_URL=source_url)
        _step(
            "restore to SQLite", rows, folder, "restore", "one.tar", IMTORNADO_STORAGE_URL=f"sqlite:///{folder}/one.db"
        )
        _step("backup of MySQL", rows, folder, "backup", "two.tar", IMTORNADO_STORAGE_URL=mysql_url)


def _rows(url: str) -> int:
    with closing(open_database(url)) as database, database.reading() as connection:
        return sum(table.count(connection) for table in TABLES)


def _step(what: str, rows: int, folder: Path, *command: str, **environment: str) -> None:
    start = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "imtornado", *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    took_s = time.monotonic() - start
    print(f"{what:<18} {took_s:6.1f} s {rows / took_s:>10,.0f} rows/s", flush=True)


@contextmanager
def _mysql(url: str, folder: Path) -> Iterator[str]:
    if url:
        yield url
        return
    data = folder / "mariadb"
    data.mkdir()
    server = MariaDB(data)
    try:
        yield server.url()
    finally:
        server.close()


if __name__ == "__main__":
    main()
