"""What the numbers of MySQL and MariaDB come to."""

import pymysql
import pytest

from imtornado.errors import Busy
from storage.database import CommitUnknown, Duplicate, TryAgain
from storage.mysql_errors import commit_translated, errors_translated
from tests.fixtures.logs import ExpectLog


@pytest.mark.parametrize("number", [1205, 1213, 1020, 3101])
def test_what_was_undone_because_of_others_is_done_again(number: int) -> None:
    with pytest.raises(TryAgain), errors_translated():
        raise pymysql.err.OperationalError(number, "others were in the way")


@pytest.mark.parametrize("number", [1927, 2006, 2013, 3169, 4031, 1053])
def test_a_commit_without_an_answer_is_unknown(number: int, expect_log: ExpectLog) -> None:
    expect_log("storage.mysql_errors", "no answer to COMMIT")
    with pytest.raises(CommitUnknown), errors_translated(), commit_translated():
        raise pymysql.err.OperationalError(number, "gone")


@pytest.mark.parametrize("number", [1021, 1040, 1290, 3032, 3100])
def test_an_outage_is_busy_and_no_reason_to_try_again_at_once(number: int, expect_log: ExpectLog) -> None:
    expect_log("storage.mysql_errors", "out of order")
    with pytest.raises(Busy) as caught, errors_translated(), commit_translated():
        raise pymysql.err.OperationalError(number, "out of order")
    assert type(caught.value) is Busy


def test_a_duplicate_is_told_as_one_and_a_mistake_of_ours_as_it_is() -> None:
    with pytest.raises(Duplicate), errors_translated():
        raise pymysql.err.IntegrityError(1062, "Duplicate entry")
    with pytest.raises(pymysql.err.ProgrammingError), errors_translated():
        raise pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax")
