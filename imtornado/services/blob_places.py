"""Which storage the settings name."""

from pathlib import Path

from imtornado.config import Uploads as Settings
from imtornado.services.blobs import Blobs, Folder
from imtornado.services.bucket import open_bucket


def open_blobs(settings: Settings) -> Blobs:
    """What `uploads.store` and `uploads.folder` say. Raises: ConfigError."""
    return blobs_at(settings.store or settings.folder, settings)


def blobs_at(place: str, settings: Settings) -> Blobs:
    """The storage in a folder, or at s3://BUCKET/PREFIX with the endpoint and credentials of the settings.

    Raises: ConfigError.
    """
    return open_bucket(place, settings) if place.startswith("s3://") else Folder(Path(place).resolve())
