"""Error numbers of MySQL and MariaDB, and what they mean to us."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
from pymysql.constants import CR, ER

from imtornado.errors import Busy
from storage.database import CommitUnknown, Duplicate, TryAgain

log = logging.getLogger(__name__)

# The transaction is undone and nothing is wrong: done again it will most likely go through.
AGAIN = frozenset(
    {
        ER.LOCK_DEADLOCK,
        ER.LOCK_WAIT_TIMEOUT,
        ER.CHECKREAD,
        3101,  # MySQL's group replication: another member was faster
    }
)
# The connection is of no use any more.
LOST = frozenset(
    {
        0,  # the driver's, for a connection that it has closed already
        CR.CR_SERVER_GONE_ERROR,
        CR.CR_SERVER_LOST,
        CR.CR_CONNECTION_ERROR,
        CR.CR_CONN_HOST_ERROR,
        CR.CR_SERVER_LOST_EXTENDED,
        ER.SERVER_SHUTDOWN,
        ER.NORMAL_SHUTDOWN,
        ER.NEW_ABORTING_CONNECTION,
        ER.NET_READ_ERROR,
        ER.NET_READ_INTERRUPTED,
        ER.NET_ERROR_ON_WRITE,
        ER.NET_WRITE_INTERRUPTED,
        1927,  # MariaDB: the connection was killed
        3169,  # MySQL: the session was killed
        4031,  # MySQL: closed by the server because nobody used it
    }
)
# What the environment does to us. Everything else is a mistake of ours.
OUTAGES = (
    LOST
    | AGAIN
    | frozenset(range(2000, 2100))
    | frozenset(
        {
            ER.CON_COUNT_ERROR,
            ER.OUT_OF_RESOURCES,
            ER.OUTOFMEMORY,
            ER.OUT_OF_SORTMEMORY,
            ER.DISK_FULL,
            ER.RECORD_FILE_FULL,
            ER.GET_ERRNO,
            ER.ERROR_ON_READ,
            ER.ERROR_ON_WRITE,
            ER.ERROR_DURING_COMMIT,
            ER.ERROR_DURING_ROLLBACK,
            ER.CRASHED_ON_USAGE,
            ER.CANT_LOCK,
            ER.ACCESS_DENIED_ERROR,
            ER.DBACCESS_DENIED_ERROR,
            ER.TABLEACCESS_DENIED_ERROR,
            ER.BAD_DB_ERROR,
            ER.HOST_IS_BLOCKED,
            ER.HOST_NOT_PRIVILEGED,
            ER.TOO_MANY_USER_CONNECTIONS,
            ER.USER_LIMIT_REACHED,
            ER.OPTION_PREVENTS_STATEMENT,
            ER.QUERY_INTERRUPTED,
            1047,  # Galera: this node is not ready
            1792,  # a read-only transaction
            1836,  # read-only mode
            1969,  # MariaDB: max_statement_time
            3024,  # MySQL: max_execution_time
            3032,  # MySQL: offline mode
            3100,  # MySQL's group replication: this member cannot commit now
        }
    )
)


def number_of(error: BaseException) -> int:
    """The server's or the driver's number, -1 where there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else -1


def is_lost(error: BaseException) -> bool:
    """The connection is of no use any more."""
    return isinstance(error, pymysql.err.InterfaceError) or number_of(error) in LOST


def timed_out(error: BaseException) -> bool:
    """The server did not answer in time: what it was asked for may still happen."""
    return isinstance(error.__context__, TimeoutError) or isinstance(error.__cause__, TimeoutError)


def busy() -> Busy:
    return Busy("The database is busy. Please try again.", retry_after_ms=1000)


@contextmanager
def errors_translated() -> Iterator[None]:
    """Raises: Duplicate, Busy and TryAgain for the driver's errors that mean it."""
    try:
        yield
    except pymysql.err.IntegrityError as error:
        raise Duplicate("This exists already.") from error
    except pymysql.err.Error as error:
        if number_of(error) in AGAIN:
            log.info("a transaction was undone: %s", error)
            raise TryAgain("The database is busy. Please try again.", retry_after_ms=1000) from error
        if not is_lost(error) and number_of(error) not in OUTAGES:
            raise
        log.error("database out of order: %s", error)
        raise busy() from error


@contextmanager
def commit_translated() -> Iterator[None]:
    """Raises: CommitUnknown where no answer came."""
    try:
        yield
    except (pymysql.err.Error, OSError) as error:
        if not is_lost(error):
            raise
        log.error("database out of order: no answer to COMMIT: %s", error)
        raise CommitUnknown("The database is busy. Please try again.", retry_after_ms=1000) from error
