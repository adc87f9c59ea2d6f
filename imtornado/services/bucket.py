"""Uploaded files in S3-compatible storage, by the extra `s3` (obstore). Worker threads only."""

import configparser
import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

from imtornado.config import Uploads as Settings
from imtornado.config_sources import ConfigError
from imtornado.errors import Busy
from imtornado.services.blobs import BlobType, is_path_safe, may_be_ours

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

CONNECT_S = 5
CALL_S = 30
RETRIES = 1
PARTS_AT_ONCE = 2  # of 5 MiB each, which are in memory together


class Bucket:
    """Objects under a prefix of a bucket. Nothing is half there: S3 shows an object only when all of it has come."""

    def __init__(
        self, bucket: str, prefix: str, *, endpoint: str, region: str, key_id: str, secret: str, session_token: str = ""
    ) -> None:
        try:
            import obstore
            import obstore.exceptions
            import obstore.store
        except ImportError as error:
            raise ConfigError(
                ["uploads.store: S3-compatible storage needs the extra s3: pip install 'imtornado[s3]'"]
            ) from error
        self._obstore = obstore
        self._failure = obstore.exceptions.BaseError
        credentials = {"access_key_id": key_id, "secret_access_key": secret}
        if session_token:
            credentials["session_token"] = session_token
        self._store = obstore.store.S3Store(
            bucket,
            prefix=prefix or None,
            region=region,
            **({"endpoint": endpoint} if endpoint else {}),  # type: ignore[arg-type]
            **credentials,  # type: ignore[arg-type]
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": f"{CONNECT_S}s",
                "timeout": f"{CALL_S}s",
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=CALL_S)},
        )

    def put(self, name: str, source: Path, kind: BlobType) -> None:
        attributes = {"Content-Type": kind.mime, "Content-Disposition": kind.disposition}
        self._answer(
            self._obstore.put,
            *(self._store, name, source),
            attributes=attributes,
            max_concurrency=PARTS_AT_ONCE,
        )
        source.unlink(missing_ok=True)

    def read(self, name: str, start: int, length: int) -> bytes:
        if not is_path_safe(name):
            raise FileNotFoundError(name)
        try:
            return bytes(self._obstore.get_range(self._store, name, start=start, length=length))
        except self._failure:  # away, or asked for what lies behind the end
            size_bytes = self.size_bytes(name)
            if size_bytes is None:
                raise FileNotFoundError(name) from None
            if start >= size_bytes or length == 0:
                return b""
            return bytes(self._answer(self._obstore.get_range, self._store, name, start=start, length=length))

    def size_bytes(self, name: str) -> int | None:
        if not is_path_safe(name):
            return None
        try:
            return int(self._answer(self._obstore.head, self._store, name)["size"])
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        try:
            self._answer(self._obstore.delete, self._store, name)
        except FileNotFoundError:
            return

    def older_names(self, before_ms: int) -> Iterator[str]:
        pages = iter(self._obstore.list(self._store))
        while (page := self._answer(next, pages, None)) is not None:
            for entry in page:
                name = str(entry["path"]).rpartition("/")[2]
                if may_be_ours(name) and entry["last_modified"].timestamp() * 1000 < before_ms:
                    yield name

    def address(self, name: str, valid_s: int) -> str | None:
        return str(self._answer(self._obstore.sign, self._store, "GET", name, timedelta(seconds=valid_s)))

    def path_below_root(self, name: str) -> str | None:
        return None

    def _answer(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the storage answers. Raises: FileNotFoundError, Busy."""
        try:
            return function(*args, **kwargs)
        except self._failure as error:
            log.error("the storage of uploads does not do its work: %s", str(error)[:500])
            raise Busy("The storage of files does not answer. Try again later.", retry_after_ms=10_000) from error


def open_bucket(place: str, settings: Settings) -> Bucket:
    """The bucket at s3://BUCKET/PREFIX. Raises: ConfigError."""
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    credentials = _credentials(settings.s3_credentials)
    return Bucket(
        bucket,
        prefix.strip("/"),
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        key_id=credentials["aws_access_key_id"],
        secret=credentials["aws_secret_access_key"],
        session_token=credentials.get("aws_session_token", ""),
    )


def _credentials(file: str) -> dict[str, str]:
    """Key id and secret from the first section of an AWS credentials file, else from the environment.

    Raises: ConfigError.
    """
    if not file:
        found = {name.lower(): value for name, value in os.environ.items() if name.startswith("AWS_")}
    else:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            text = Path(file).read_text(encoding="utf-8")
            parser.read_string(text if text.lstrip().startswith("[") else f"[default]\n{text}")
        except (OSError, UnicodeDecodeError, configparser.Error):
            # Not the error's own text: it may quote a line of the file.
            raise ConfigError([f"uploads.s3_credentials = {file!r}: this file cannot be read"]) from None
        found = dict(parser[parser.sections()[0]]) if parser.sections() else {}
    missing = [name for name in ("aws_access_key_id", "aws_secret_access_key") if not found.get(name)]
    if missing:
        where = f"uploads.s3_credentials = {file!r}" if file else "uploads.store: the environment"
        raise ConfigError([f"{where} lacks {' and '.join(name if file else name.upper() for name in missing)}"])
    return found
