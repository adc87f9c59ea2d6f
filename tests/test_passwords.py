"""Passwords: what is kept, what is refused, and that nobody's password costs as much work as somebody's."""

import re

import bcrypt
import pytest

from imtornado.errors import BadParameter, WrongCredentials
from imtornado.passwords import Passwords, require_strong
from imtornado.records import Credentials, User

PASSWORD = "correct horse 7"
USER = User(1, "13800000001", "Ann")


class Work:
    """bcrypt itself, with the (rounds, password) of each of its calls written down."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self._checkpw = bcrypt.checkpw

    def checkpw(self, password: bytes, hashed: bytes) -> bool:
        self.calls.append((hashed[:7].decode(), password))
        return self._checkpw(password, hashed)


def credentials(rounds: int = 4) -> Credentials:
    return Credentials(USER, Passwords(rounds).hash(PASSWORD))


def test_what_is_kept_is_bcrypt_with_a_salt_of_its_own() -> None:
    hashes = {Passwords(5).hash(PASSWORD) for _ in range(3)}
    assert len(hashes) == 3
    assert all(re.fullmatch(r"\$2b\$05\$[./A-Za-z0-9]{53}", one) for one in hashes)


def test_the_right_password_proves_its_user() -> None:
    known = credentials()
    assert Passwords(4).check(PASSWORD, known) is known


@pytest.mark.parametrize("password", ["", "correct horse 8", "Correct horse 7", "correct horse 7 ", "x" * 200, "\0"])
def test_a_wrong_password_and_nobody_are_one_error(password: str) -> None:
    said = []
    for known in (credentials(), None):
        with pytest.raises(WrongCredentials) as refused:
            Passwords(4).check(password, known)
        said.append((str(refused.value), refused.value.field))
    assert said[0] == said[1]


def test_nobodys_password_is_as_much_work_as_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a log-in is that of its one bcrypt call: same cost, same length of what is hashed."""
    rounds, known, work = 6, credentials(6), Work()
    monkeypatch.setattr(bcrypt, "checkpw", work.checkpw)
    for one in (known, None):
        with pytest.raises(WrongCredentials):
            Passwords(rounds).check("wrong horse 1", one)
    assert len(work.calls) == 2
    assert work.calls[0] == work.calls[1]
    assert work.calls[0][0] == "$2b$06$"


def test_nobody_has_the_hash_that_stands_in_for_nobody() -> None:
    for password in ("", ".", "." * 31, "." * 53, PASSWORD):
        with pytest.raises(WrongCredentials):
            Passwords(4).check(password, None)


def test_more_than_bcrypts_72_bytes_count() -> None:
    long = "密" * 100
    known = Credentials(USER, Passwords(4).hash(long + "a"))
    with pytest.raises(WrongCredentials):
        Passwords(4).check(long + "b", known)


@pytest.mark.parametrize("password", ["correct horse 7", "Tr0ub4dor&3", "密码密码安全的短语", "x7!kQ9-z"])
def test_good_passwords_are_taken(password: str) -> None:
    require_strong(password, "13800000001", "Ann")


@pytest.mark.parametrize(
    "password",
    [
        *("", "short 7", "x" * 129, "password", "PASSWORD1", "Qwerty123", "iloveyou", "woaini1314", "imtornado"),
        *("88888888", "abababab", "12121212", "456789:;", "zyxwvuts", "13800000001", "ANN BOLEYN"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(BadParameter) as refused:
        require_strong(password, "+13800000001", "Ann Boleyn", field="new")
    assert refused.value.field == "new"
