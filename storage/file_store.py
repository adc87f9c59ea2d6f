"""The part of the storage interface that is about files; what `store` says of all methods goes for these too."""

from collections.abc import Sequence
from typing import Protocol

from imtornado.file_records import PartialUpload, Upload, Usage


class Uploads(Protocol):
    def by_sha256(self, sha256: str) -> Upload | None: ...

    def by_result(self, result_sha256: str) -> Upload | None: ...

    def claim(self, upload: Upload, file_name: str = "") -> Upload:
        """Stores it, or finds the same sha256 or result; either way `upload.owner_id` now counts as an uploader of it.

        `file_name` is what he calls it.
        """

    def claim_known(
        self, sha256: str, size_bytes: int, user_id: int, file_name: str = "", *, own: bool = False
    ) -> Upload | None:
        """The stored file of exactly these bytes, claimed for the user (instant upload); None when there is none.

        `own`: only where the user has uploaded it before.
        """

    def visible(self, name: str, user_id: int) -> Upload | None:
        """The upload of that name (its own or its thumbnail's) if the user uploaded it or may see one of its uses now.

        A use is a message inside his window and not gone, a profile picture of anyone, the icon of a community.
        """

    def file_name(self, name: str, user_id: int) -> str:
        """What the file is called where the user has it: by himself, or by whoever sent it to him; "" for no name."""

    def unused(self, before_ms: int, limit: int) -> tuple[Upload, ...]:
        """Uploads claimed before then that nothing uses."""

    def keep_all(self, holder: str, until_ms: int) -> None:
        """Nothing is forgotten before then, whatever it is used for; `holder` may say so again, and 0 takes it back."""

    def forget(self, name: str, before_ms: int) -> bool:
        """Removes the row if still nothing uses it and nobody has claimed it since then; True: the files may go.

        False while somebody wants all of them kept.
        """

    def usage(self, user_id: int, since_ms: int) -> Usage:
        """Of what the user has claimed at or after `since_ms`; a repeated claim moves its time."""

    def known(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names (at most 500) that are an upload's own or its thumbnail's."""

    def after(self, name: str, limit: int) -> tuple[Upload, ...]:
        """Uploads in the order of their names, from the one after `name` on."""

    def signing_key(self) -> bytes:
        """The secret of this database with which addresses of files are signed; made when it is first asked for."""


class PartialUploads(Protocol):
    def create(self, partial: PartialUpload) -> None: ...

    def get(self, upload_id: str, user_id: int) -> PartialUpload | None:
        """None for another's."""

    def arrived(self, upload_id: str, sha256: str) -> None:
        """All of it has come."""

    def remove(self, upload_id: str) -> None: ...

    def usage(self, user_id: int) -> Usage:
        """Of what the user has begun and not yet sent whole."""

    def expired(self, before_ms: int) -> tuple[str, ...]:
        """Ids of those that ended before then."""

    def known(self, upload_ids: Sequence[str]) -> frozenset[str]: ...
