"""The parameters of a call, from a JSON object, a form or a query, checked one by one.

Every method names the parameter at fault in its BadParameter, so that a client can point at the field.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

from imtornado.errors import BadParameter, MalformedBody

MAX_ID = 2**53 - 1  # the largest integer that JSON keeps exact in a browser
_DECIMAL = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
# Characters that turn the direction of the text around them: a name must not repaint its neighbours.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Params:
    """Parameters by name. `form`: values came as texts, so that "12" is an integer and "" an absent one."""

    def __init__(self, values: Mapping[str, object], *, form: bool) -> None:
        self._values = values  # {name: JSON value}, of a form {name: tuple of texts}
        self._form = form

    @property
    def is_form(self) -> bool:
        """True when the values came as texts."""
        return self._form

    @classmethod
    def of_json(cls, body: bytes) -> "Params":
        """Raises: MalformedBody unless `body` is one JSON object in UTF-8; BadParameter for a lone surrogate."""
        if not body.strip():
            return cls({}, form=False)
        try:
            values = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if _SURROGATE_ESCAPE.search(body) and not isinstance(error, RecursionError):
                raise BadParameter("A text holds half of a character.") from error
            raise MalformedBody("The body is not JSON in UTF-8.") from error
        if not isinstance(values, dict):
            raise MalformedBody("The body must be a JSON object.")
        return cls(values, form=False)

    @classmethod
    def of_form(cls, arguments: Mapping[str, Sequence[bytes]]) -> "Params":
        """Raises: BadParameter for a value that is not UTF-8."""
        values = {}
        for name, encoded in arguments.items():
            try:
                values[name] = tuple(value.decode("utf-8") for value in encoded)
            except UnicodeDecodeError as error:
                raise BadParameter("A text is not UTF-8.", field=name) from error
        return cls(values, form=True)

    def has(self, name: str) -> bool:
        """True when the parameter was sent, even empty; JSON null counts as not sent."""
        return self._values.get(name) is not None

    def text(
        self, name: str, *, default: str | None = None, min_length: int = 0, max_length: int, nfc: bool = False
    ) -> str:
        """The text as sent; with `nfc` a name: NFC, trimmed, on one line. Lengths in characters.

        None as `default` makes it required; else an empty text where `min_length` asks for more counts as absent.
        Raises: BadParameter.
        """
        value = self._one(name)
        if value is None or (value == "" and default is not None and min_length > 0):
            if default is None:
                raise BadParameter("This is missing.", field=name)
            return default
        if not isinstance(value, str):
            raise BadParameter("This must be a text.", field=name)
        if nfc:
            value = _as_name(name, value)
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise BadParameter("A text may not hold the character NUL or half of a character.", field=name)
        if len(value) < min_length:
            if not value:
                raise BadParameter("This may not be empty.", field=name)
            raise BadParameter("This needs at least {count} characters.", field=name, count=min_length)
        if len(value) > max_length:
            raise BadParameter("This may have at most {count} characters.", field=name, count=max_length)
        return value

    def integer(self, name: str, *, default: int | None = None, minimum: int = 1, maximum: int = MAX_ID) -> int:
        """A JSON integer or a form's decimal text. Raises: BadParameter, also for true, 1.0 and, in JSON, "1"."""
        value = self._one(name)
        if value is None or (self._form and value == ""):
            if default is None:
                raise BadParameter("This is missing.", field=name)
            return default
        return self._integer(name, value, minimum, maximum)

    def integers(self, name: str, max_count: int, *, minimum: int = 1, maximum: int = MAX_ID) -> tuple[int, ...]:
        """A JSON list, or a form's repeated or comma-separated texts; in order, each once. Raises: BadParameter."""
        value = self._values.get(name)
        if value is None:
            raise BadParameter("This is missing.", field=name)
        if isinstance(value, tuple):
            value = [part.strip() for text in value for part in text.split(",") if part.strip()]
        if not isinstance(value, list):
            raise BadParameter("This must be a list of numbers.", field=name)
        if len(value) > max_count:
            raise BadParameter("This may have at most {count} entries.", field=name, count=max_count)
        return tuple(dict.fromkeys(self._integer(name, entry, minimum, maximum) for entry in value))

    def texts(self, name: str, max_count: int, *, max_length: int) -> tuple[str, ...]:
        """A JSON list of texts, or a form's repeated ones, in order. Raises: BadParameter."""
        value = self._values.get(name)
        if value is None:
            raise BadParameter("This is missing.", field=name)
        if not isinstance(value, (list, tuple)) or not all(isinstance(entry, str) for entry in value):
            raise BadParameter("This must be a list of texts.", field=name)
        if len(value) > max_count:
            raise BadParameter("This may have at most {count} entries.", field=name, count=max_count)
        if any(len(entry) > max_length for entry in value):
            raise BadParameter("This may have at most {count} characters.", field=name, count=max_length)
        return tuple(value)

    def flag(self, name: str, default: bool) -> bool:
        """A JSON boolean, or a form's true/false, 1/0, yes/no, on/off. Raises: BadParameter."""
        value = self._one(name)
        if value is None or (self._form and value == ""):
            return default
        if isinstance(value, bool):
            return value
        if self._form and isinstance(value, str) and value.lower() in _FLAGS:
            return _FLAGS[value.lower()]
        raise BadParameter("This must be true or false.", field=name)

    def choice(self, name: str, values: Sequence[str], default: str | None = None) -> str:
        """One of `values`. Raises: BadParameter."""
        value = self._one(name)
        if value is None or (self._form and value == ""):
            if default is None:
                raise BadParameter("This is missing.", field=name)
            return default
        if not isinstance(value, str) or value not in values:
            raise BadParameter("This must be one of: {choices}.", field=name, choices=", ".join(values))
        return value

    def _one(self, name: str) -> object:
        value = self._values.get(name)
        return value[-1] if isinstance(value, tuple) else value

    def _integer(self, name: str, value: object, minimum: int, maximum: int) -> int:
        if self._form and isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadParameter("This must be a whole number.", field=name)
        if not minimum <= value <= maximum:
            raise BadParameter(
                "This must be between {minimum} and {maximum}.", field=name, minimum=minimum, maximum=maximum
            )
        return value


def _as_name(name: str, value: str) -> str:
    value = unicodedata.normalize("NFC", value).strip()
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") or character in _DIRECTION for character in value):
        raise BadParameter("A name may not hold control characters.", field=name)
    return value
