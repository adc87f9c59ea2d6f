"""Passwords: what is strong enough, how they are kept, how one is checked without telling who exists.

bcrypt takes 72 bytes and stops at NUL, so it is given base64(SHA-256(password)): every character of a long
password counts. Hashing takes a quarter of a second on purpose: only ever in the pool `Workers.passwords`.
"""

import base64
import hashlib
import itertools
import unicodedata

import bcrypt

from imtornado.errors import BadParameter, WrongCredentials
from imtornado.records import Credentials

MIN_LENGTH = 8
MAX_LENGTH = 128
MIN_DIFFERENT_CHARACTERS = 4

# Of every published list of stolen passwords these, with eight characters or more, are near the top.
_COMMON = frozenset(
    """
    password password1 password12 password123 passw0rd p@ssw0rd p@ssword pa55word passwort motdepasse contraseña
    qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 asdfghjk asdfghjkl zxcvbnm123 1q2w3e4r 1q2w3e4r5t 1qaz2wsx
    1qaz2wsx3edc qazwsxedc q1w2e3r4 q1w2e3r4t5 zaq12wsx abcd1234 abcdefgh abc12345 abc123456 a1234567 a12345678
    a123456789 aa123456 aa12345678 1234qwer 123qweasd 123qwe123 qwe12345 asd12345 11223344 12341234 12344321
    12121212 123123123 123321123 147258369 159357456 987654321 87654321 0987654321 1234567890 123456789 12345678
    01234567 31415926 19491001 20082008 52013140 5201314520 woaini1314 woaini520 woaini123 woaiwojia iloveyou
    iloveyou1 iloveyou123 loveyou1 princess princess1 sunshine sunshine1 football football1 baseball basketball
    superman superman1 batman123 starwars pokemon1 charlie1 michael1 jennifer jessica1 computer internet whatever
    welcome1 welcome123 letmein1 letmein123 trustno1 changeme changeme1 changeme123 default1 administrator admin123
    admin1234 admin12345 adminadmin root1234 rootroot test1234 testtest test12345 user1234 guest123 secret123
    master123 monkey123 dragon123 shadow123 killer123 hello123 hello1234 helloworld samsung1 google123 facebook1
    liverpool arsenal1 chocolate butterfly november september december 88888888 66666666 00000000 11111111 imtornado
    """.split()  # noqa: SIM905 (a list of 150 literals is unreadable)
)


class Passwords:
    """`rounds` is bcrypt's cost: one more doubles the time of a hash and of a guess."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        # A hash that nobody has: it makes the check of an unknown mobile as much work as that of a known one.
        self._nobodys = f"$2b${rounds:02d}$" + "." * 53

    def hash(self, password: str) -> str:
        """What is stored. Password pool only."""
        return bcrypt.hashpw(_prepared(password), bcrypt.gensalt(self._rounds)).decode("ascii")

    def check(self, password: str, credentials: Credentials | None) -> Credentials:
        """The credentials, proven; the same work and the same error for a wrong password and for nobody (None).

        Password pool only. Raises: WrongCredentials.
        """
        stored = self._nobodys if credentials is None else credentials.password_hash
        right = bcrypt.checkpw(_prepared(password), stored.encode("ascii"))
        if credentials is None or not right:
            raise WrongCredentials("Wrong mobile or password.")
        return credentials


def require_strong(password: str, *personal: str, field: str = "passwd") -> None:
    """Refuses what a guesser tries first; `personal` are the mobile and the nickname. Raises: BadParameter."""
    folded = password.casefold()
    if len(password) < MIN_LENGTH:
        raise BadParameter("A password needs at least {count} characters.", field=field, count=MIN_LENGTH)
    if len(password) > MAX_LENGTH:
        raise BadParameter("A password may have at most {count} characters.", field=field, count=MAX_LENGTH)
    if folded in _COMMON or len(set(folded)) < MIN_DIFFERENT_CHARACTERS or _is_a_run(folded):
        raise BadParameter("This password is among the first that anybody would guess. Choose another.", field=field)
    if folded in {text.casefold() for text in personal} | {text.lstrip("+") for text in personal}:
        raise BadParameter("The password may not be your mobile or your nickname.", field=field)


def _is_a_run(text: str) -> bool:
    """True for 23456789, hgfedcba and the like."""
    steps = {ord(right) - ord(left) for left, right in itertools.pairwise(text)}
    return steps in ({1}, {-1})


def _prepared(password: str) -> bytes:
    """NFC first: keyboards differ in how they compose an accented letter."""
    digest = hashlib.sha256(unicodedata.normalize("NFC", password).encode("utf-8")).digest()
    return base64.b64encode(digest)
