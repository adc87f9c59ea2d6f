"""Everything that can be wrong with a request, as exceptions that carry their wire code.

    ImError                     code = HTTP status * 100 + n, stable for ever (docs/protocol.md)
    ├── BadParameter 40001      ├── MalformedBody 40002
    ├── NotLoggedIn 40101       ├── WrongCredentials 40102   ├── AccountDisabled 40103
    ├── NotAllowed 40301        ├── NotFriends 40302         ├── NotMember 40303
    ├── Silenced 40304          ├── CrossSite 40305          ├── TooLate 40306
    ├── NotFound 40401          ├── MethodNotAllowed 40501
    ├── Conflict 40901          ├── CidConflict 40902        ├── LimitReached 40903
    ├── VersionNotSpoken 41201  ├── TooLarge 41301          ├── UnsupportedKind 41501
    ├── TooManyRequests 42901   ├── QuotaExceeded 42902
    ├── Internal 50001          └── Busy 50301               outcome unknown: send the same cid again

An error keeps an English sentence with named places and their values apart, so that one place can
say it in the caller's language (`imtornado.chinese`).
"""

from enum import IntEnum
from typing import ClassVar, Self


class Code(IntEnum):
    """The `code` of an envelope or an ERROR frame."""

    OK = 0
    BAD_PARAMETER = 40001
    MALFORMED_BODY = 40002
    NOT_LOGGED_IN = 40101
    WRONG_CREDENTIALS = 40102
    ACCOUNT_DISABLED = 40103
    NOT_ALLOWED = 40301
    NOT_FRIENDS = 40302
    NOT_MEMBER = 40303
    SILENCED = 40304
    CROSS_SITE = 40305
    TOO_LATE = 40306
    NOT_FOUND = 40401
    METHOD_NOT_ALLOWED = 40501
    CONFLICT = 40901
    CID_CONFLICT = 40902
    LIMIT_REACHED = 40903
    VERSION_NOT_SPOKEN = 41201
    TOO_LARGE = 41301
    UNSUPPORTED_KIND = 41501
    TOO_MANY_REQUESTS = 42901
    QUOTA_EXCEEDED = 42902
    INTERNAL = 50001
    BUSY = 50301


class ImError(Exception):
    """A refusal that the caller is told about.

    `sentence` is English with `{name}` places, `values` fills them; `field` names the parameter at fault;
    `retry_after_ms` > 0 says when another try makes sense.
    """

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, sentence: str, *, field: str = "", retry_after_ms: int = 0, **values: object) -> None:
        super().__init__(sentence.format(**values))
        self.sentence = sentence
        self.field = field
        self.retry_after_ms = retry_after_ms
        self.values = values

    def bare(self) -> Self:
        """Itself, without where it was raised and why: whoever keeps it would keep all that was at work there."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)

    def anew(self) -> Self:
        """Another one that says the same, to be raised: this one would hold the frames that hold it, a circle."""
        other = self.__class__.__new__(self.__class__)
        other.args = self.args
        other.__dict__.update(self.__dict__)
        return other

    @property
    def status(self) -> int:
        """HTTP status, 400 to 503."""
        return self.code // 100


class BadParameter(ImError):
    code = Code.BAD_PARAMETER


class MalformedBody(ImError):
    code = Code.MALFORMED_BODY


class NotLoggedIn(ImError):
    code = Code.NOT_LOGGED_IN


class WrongCredentials(ImError):
    code = Code.WRONG_CREDENTIALS


class AccountDisabled(ImError):
    code = Code.ACCOUNT_DISABLED


class NotAllowed(ImError):
    code = Code.NOT_ALLOWED


class NotFriends(ImError):
    code = Code.NOT_FRIENDS


class NotMember(ImError):
    code = Code.NOT_MEMBER


class Silenced(ImError):
    code = Code.SILENCED


class CrossSite(ImError):
    code = Code.CROSS_SITE


class TooLate(ImError):
    code = Code.TOO_LATE


class NotFound(ImError):
    code = Code.NOT_FOUND


class MethodNotAllowed(ImError):
    code = Code.METHOD_NOT_ALLOWED


class Conflict(ImError):
    code = Code.CONFLICT


class CidConflict(ImError):
    code = Code.CID_CONFLICT


class LimitReached(ImError):
    code = Code.LIMIT_REACHED


class VersionNotSpoken(ImError):
    code = Code.VERSION_NOT_SPOKEN


class TooLarge(ImError):
    code = Code.TOO_LARGE


class UnsupportedKind(ImError):
    code = Code.UNSUPPORTED_KIND


class TooManyRequests(ImError):
    code = Code.TOO_MANY_REQUESTS


class QuotaExceeded(ImError):
    code = Code.QUOTA_EXCEEDED


class Internal(ImError):
    code = Code.INTERNAL


class Busy(ImError):
    """The outcome is unknown: what was asked may still happen. The same cid is safe to send again."""

    code = Code.BUSY
