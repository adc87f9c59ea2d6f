"""Where files live: one contract, held by the folder and by a real S3 server; and what is particular to each."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imtornado import config_sources
from imtornado.config import Uploads as Settings
from imtornado.config_sources import ConfigError
from imtornado.errors import Busy
from imtornado.services.blob_places import blobs_at, open_blobs
from imtornado.services.blobs import Blobs, BlobType, Folder
from imtornado.services.file_names import new_name
from tests.fixtures.logs import ExpectLog
from tests.fixtures.s3 import S3Server

PICTURE = BlobType("image/webp", 'inline; filename="a.webp"')
FOREVER_MS = 1 << 60


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    if request.param == "folder":
        yield Folder(tmp_path / "resource")
        return
    server: S3Server = request.getfixturevalue("s3_server")
    settings = config_sources.load(environment={}, settings=server.settings(f"b{new_name()[:20]}")).uploads
    yield open_blobs(settings)


@pytest.fixture
def put(blobs: Blobs, tmp_path: Path) -> Callable[..., str]:
    (tmp_path / "resource").mkdir()

    def put(data: bytes, name: str = "") -> str:
        source = tmp_path / "source"
        source.write_bytes(data)
        name = name or new_name()
        blobs.put(name, source, PICTURE)
        assert not source.exists(), "it moves"
        return name

    return put


def test_what_is_put_is_read_from_anywhere_in_it(blobs: Blobs, put: Callable[..., str]) -> None:
    name = put(b"0123456789")
    assert blobs.size_bytes(name) == 10
    assert blobs.read(name, 0, 100) == b"0123456789"
    assert blobs.read(name, 4, 3) == b"456"
    assert blobs.read(name, 9, 1) == b"9"
    assert blobs.read(name, 8, 5) == b"89"
    assert blobs.read(name, 10, 5) == blobs.read(name, 50, 5) == b""


def test_a_file_of_several_parts_comes_back_whole(blobs: Blobs, put: Callable[..., str]) -> None:
    data = bytes(range(256)) * 45_000
    name = put(data)
    assert blobs.size_bytes(name) == len(data)
    read = b"".join(blobs.read(name, start, 4_000_000) for start in range(0, len(data), 4_000_000))
    assert read == data


def test_an_unknown_name_is_none_and_removing_is_quiet(blobs: Blobs, put: Callable[..., str]) -> None:
    name = put(b"x")
    blobs.remove(name)
    blobs.remove(name)
    for unknown in (name, new_name(), "0" * 64):
        assert blobs.size_bytes(unknown) is None
        with pytest.raises(FileNotFoundError):
            blobs.read(unknown, 0, 10)


@pytest.mark.parametrize("name", ["../secret", "..", ".", "", "/etc/passwd", "a/b", "a\0b", "a" * 300, "%2e%2e"])
def test_names_that_are_none_lead_nowhere(blobs: Blobs, put: Callable[..., str], tmp_path: Path, name: str) -> None:
    put(b"x")
    (tmp_path / "secret").write_bytes(b"secret")
    assert blobs.size_bytes(name) is None
    with pytest.raises(FileNotFoundError):
        blobs.read(name, 0, 10)


def test_names_are_listed_by_age(blobs: Blobs, put: Callable[..., str]) -> None:
    names = {put(b"x") for _ in range(5)}
    assert set(blobs.older_names(FOREVER_MS)) == names
    assert not list(blobs.older_names(int(time.time() * 1000) - 60_000))


# The folder


def test_a_folder_spreads_its_files_and_finds_those_that_are_not(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    name, flat = new_name(), new_name()
    (tmp_path / "source").write_bytes(b"12345")
    folder.put(name, tmp_path / "source", PICTURE)
    assert (tmp_path / name[:2] / name).read_bytes() == b"12345"
    assert folder.path_below_root(name) == f"{name[:2]}/{name}"
    (tmp_path / flat).write_bytes(b"from another program")
    (tmp_path / "README").write_bytes(b"an operator's")
    assert folder.read(flat, 5, 7) == b"another"
    assert folder.path_below_root(flat) == flat
    assert set(folder.older_names(FOREVER_MS)) == {name, flat}
    folder.remove(flat)
    assert folder.size_bytes(flat) is None
    assert folder.address(name, 60) is None


# The bucket


def test_a_presigned_address_gives_the_file_to_anybody_for_its_time(s3_server: S3Server, tmp_path: Path) -> None:
    blobs = open_blobs(config_sources.load(environment={}, settings=s3_server.settings("presigned")).uploads)
    (tmp_path / "source").write_bytes(b"12345")
    name = new_name()
    blobs.put(name, tmp_path / "source", PICTURE)
    address = blobs.address(name, 300)
    assert address is not None
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read() == b"12345"
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Content-Disposition"] == PICTURE.disposition
    longer = address.replace("X-Amz-Expires=300", "X-Amz-Expires=9000")
    for changed in (address.partition("?")[0], address[:-4] + "0000", longer):
        with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(changed, timeout=30):
            pass
        assert refused.value.code == 403
        refused.value.close()
    assert blobs.path_below_root(name) is None


def test_a_bucket_that_refuses_or_is_away_is_busy(s3_server: S3Server, tmp_path: Path, expect_log: ExpectLog) -> None:
    lines = expect_log("imtornado.services.bucket", "the storage of uploads does not do its work")
    wrong = tmp_path / "wrong"
    wrong.write_text("aws_access_key_id = test-key\naws_secret_access_key = wrong-secret\n")
    settings = s3_server.settings("refused")
    for override in (f"uploads.s3_credentials={wrong}", "uploads.s3_endpoint=http://127.0.0.1:9"):
        blobs = open_blobs(config_sources.load(environment={}, settings=[*settings, override]).uploads)
        (tmp_path / "source").write_bytes(b"12345")
        with pytest.raises(Busy):
            blobs.put(new_name(), tmp_path / "source", PICTURE)
        with pytest.raises(Busy):
            blobs.size_bytes(new_name())
    assert not any("wrong-secret" in record.getMessage() for record in lines.records)


def test_credentials_come_from_a_file_or_the_environment_and_are_never_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("hush hush\nsecret")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings = config_sources.load(environment={}, settings=["uploads.store=s3://bucket"]).uploads
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        open_blobs(settings)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "two")
    open_blobs(settings)
    for text, problem in (("hush hush\nsecret", "cannot be read"), ("[a]\naws_access_key_id = secret", "lacks")):
        broken.write_text(text)
        named = ["uploads.store=s3://b", f"uploads.s3_credentials={broken}"]
        with pytest.raises(ConfigError, match=problem) as refused:
            open_blobs(config_sources.load(environment={}, settings=named).uploads)
        assert "hush" not in str(refused.value)


def test_a_place_is_a_folder_or_a_bucket(tmp_path: Path) -> None:
    assert isinstance(blobs_at(str(tmp_path), Settings()), Folder)
