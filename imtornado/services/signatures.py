"""Signed addresses of files, for players that send no cookie: /resource/NAME?u=USER&e=DAY&s=SIGNATURE.

A signature says "as user USER": whoever has the address sees that one file, until the end of DAY, and only as long
as that user may see it himself: a recall, a kick or a disabled account ends it at once. It opens nothing else. The
last day is rounded up, so that the address stays the same for a day and caches hold what they have.
"""

import hashlib
import hmac

from imtornado.clock import Clock
from imtornado.file_records import Upload
from imtornado.resource_urls import PREFIX, unsigned
from imtornado.services.file_names import is_name
from storage.store import Store

DAY_MS = 86_400_000
SIGNATURE_LENGTH = 64


class Signatures:
    """Made and checked with the key of the database. Any worker thread."""

    def __init__(self, store: Store, clock: Clock, base_url: str) -> None:
        self._store = store
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._key = b""

    def signed(self, user_id: int, urls: tuple[str, ...]) -> tuple[str | None, ...]:
        """For each address the signed one; None for what is no file, or none that the user may see."""
        # Always more than a day ahead: who gets the address at midnight has as long as everybody else.
        day = self._clock.now_ms() // DAY_MS + 1
        return tuple(self._signed(user_id, unsigned(url), day) for url in urls)

    def user_of(self, name: str, user_id: int, day: int, signature: str) -> int | None:
        """The user as whom the bearer of the signature may look at the file; None for a wrong or old one."""
        wanted = self._signature(name, user_id, day)
        if not hmac.compare_digest(wanted, signature.encode()) or day < self._clock.now_ms() // DAY_MS:
            return None
        user = self._store.users.get(user_id)
        return user_id if user is not None and user.disabled_at_ms == 0 else None

    def _signed(self, user_id: int, url: str, day: int) -> str | None:
        name = url.removeprefix(self._base_url).removeprefix(PREFIX)
        upload: Upload | None = self._store.uploads.visible(name, user_id) if is_name(name) else None
        if upload is None:
            return None
        signature = self._signature(name, user_id, day).decode()
        return f"{self._base_url}{PREFIX}{name}?u={user_id}&e={day}&s={signature}"

    def _signature(self, name: str, user_id: int, day: int) -> bytes:
        if not self._key:
            self._key = self._store.uploads.signing_key()
        return hmac.new(self._key, f"{name} {user_id} {day}".encode(), hashlib.sha256).hexdigest().encode()
