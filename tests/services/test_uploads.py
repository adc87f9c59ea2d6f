"""Uploads: quotas, one stored copy, rights, clean-up; and the folder behind them."""

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.config import Uploads as Settings
from imtornado.errors import BadParameter, Busy, NotFound, QuotaExceeded, TooLarge, TooManyRequests
from imtornado.file_records import Content
from imtornado.services.arrivals import Arrival, Arrivals
from imtornado.services.blobs import Folder
from imtornado.services.clean_up import CleanUp
from imtornado.services.file_names import is_name
from imtornado.services.incoming import IncomingFile, IncomingFolder
from imtornado.services.uploads import Original, Stored, Uploads
from storage.backends import open_store
from storage.store import NewUser, Store


def picture(data: bytes) -> Content:
    """What a worker process tells of the picture `data` that it made."""
    sha256 = hashlib.sha256(data).hexdigest()
    return Content("image/jpeg", sha256, 40, 30, "data:image/webp;base64,AA==", has_thumb=True)


class House:
    """The service over a real store and folder, and short ways to upload."""

    def __init__(self, store: Store, folder: Path, clock: Clock, **settings: object) -> None:
        self.store = store
        self.folder = folder
        self.clock = clock
        config = msgspec.structs.replace(Config(), uploads=Settings(folder=str(folder), **settings))  # type: ignore[arg-type]
        blobs = Folder(folder)
        self.arrivals = Arrivals(store, config, clock)
        self.uploads = Uploads(store, config, clock, blobs)
        self.clean_up = CleanUp(store, clock, blobs)
        self._people = 0

    def user(self) -> int:
        self._people += 1
        return self.store.users.create(NewUser(f"139{self._people:08d}", "not a hash", "somebody")).user_id

    def arrived(self, user_id: int, data: bytes) -> Arrival:
        arrival = self.arrivals.begin(user_id, len(data))
        arrival.write(data)
        arrival.finish()
        return arrival

    def upload(self, user_id: int, data: bytes) -> Stored:
        """What the handler does, with a stand-in for the re-encoded picture."""
        arrival = self.arrived(user_id, data)
        try:
            return self.uploads.known(user_id, original(arrival)) or self.kept(arrival, b"picture of " + data)
        finally:
            arrival.end()

    def kept(self, arrival: Arrival, made: bytes) -> Stored:
        """What becomes of an arrival of which `made` was made."""
        arrival.result_path.write_bytes(made)
        arrival.thumb_path.write_bytes(b"thumb of " + made)
        paths = arrival.result_path, arrival.thumb_path
        return self.uploads.keep(arrival.user_id, original(arrival), picture(made), *paths)

    def files(self) -> list[str]:
        """Names of the finished files."""
        return sorted(file.name for file in self.folder.glob("??/*"))

    def arriving(self) -> list[Path]:
        return [file for file in (self.folder / ".incoming").rglob("*") if file.is_file()]


def original(arrival: Arrival) -> Original:
    return Original(arrival.sha256, arrival.size_bytes)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., House]]:
    clock = Clock()
    store = open_store(f"sqlite:///{tmp_path}/im.db", clock)
    houses: list[House] = []

    def built(**settings: object) -> House:
        houses.append(House(store, tmp_path / "resource", clock, **settings))
        return houses[-1]

    yield built
    for house in houses:
        house.arrivals.close()
    store.close()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()


def test_a_file_is_kept_and_seen_by_who_sent_it(house: House) -> None:
    user_id = house.user()
    stored = house.upload(user_id, b"cat")
    upload = stored.upload
    assert upload.sha256 == hashlib.sha256(b"cat").hexdigest()
    assert (upload.size_bytes, stored.size_bytes) == (3, len(b"picture of cat"))
    assert is_name(upload.name)
    assert is_name(upload.thumb)
    served = house.uploads.view(user_id, upload.name)
    assert (served.mime, served.size_bytes) == ("image/jpeg", 14)
    assert served.disposition == f'inline; filename="{upload.name[:12]}.jpg"'
    assert house.uploads.read(upload.name, 0, 100) == b"picture of cat"
    assert house.uploads.read(upload.name, 8, 2) == b"of"
    assert house.uploads.view(user_id, upload.thumb).mime == "image/webp"
    assert house.uploads.read(upload.thumb, 0, 100) == b"thumb of picture of cat"
    assert not house.arriving()


@pytest.mark.parametrize("name", ["", "x", "..", "../im.db", "a" * 63, "g" * 64, "A" * 64, "0" * 64, "..%2f" * 13])
def test_strangers_and_guessers_find_nothing(house: House, name: str) -> None:
    owner, stranger = house.user(), house.user()
    upload = house.upload(owner, b"cat").upload
    with pytest.raises(NotFound):
        house.uploads.view(owner, name)
    for real in (upload.name, upload.thumb):
        with pytest.raises(NotFound):
            house.uploads.view(stranger, real)


def test_the_same_bytes_are_stored_once(house: House) -> None:
    first, second = house.user(), house.user()
    one, other = house.upload(first, b"cat"), house.upload(second, b"cat")
    assert one == other
    assert len(house.files()) == 2
    assert house.uploads.view(second, one.upload.name).size_bytes == 14


def test_ten_at_once_leave_one_copy_and_get_ten_right_answers(house: House) -> None:
    users = [house.user() for _ in range(10)]
    arrivals = [house.arrived(user_id, b"cat") for user_id in users]
    with ThreadPoolExecutor(10) as threads:
        results = list(threads.map(lambda arrival: house.kept(arrival, b"picture"), arrivals))
    for arrival in arrivals:
        arrival.end()
    assert len({result.upload.name for result in results}) == 1
    assert house.files() == sorted((results[0].upload.name, results[0].upload.thumb))
    assert [house.uploads.view(user_id, results[0].upload.name).size_bytes for user_id in users] == [7] * 10
    assert not house.arriving()


def test_a_probe_claims_what_is_known(house: House) -> None:
    owner, other = house.user(), house.user()
    sha256 = hashlib.sha256(b"cat").hexdigest()
    assert house.uploads.probe(other, sha256, 3) is None
    stored = house.upload(owner, b"cat")
    assert house.uploads.probe(other, sha256, 4) is None
    with pytest.raises(NotFound):
        house.uploads.view(other, stored.upload.name)
    assert house.uploads.probe(other, sha256, 3) == stored
    assert house.uploads.view(other, stored.upload.name)


def test_no_probe_where_instant_upload_is_off(build: Callable[..., House]) -> None:
    house = build(instant="no")
    user_id = house.user()
    house.upload(user_id, b"cat")
    assert house.uploads.probe(user_id, hashlib.sha256(b"cat").hexdigest(), 3) is None


def test_files_lost_from_the_folder_come_back_with_the_next_upload(house: House) -> None:
    user_id = house.user()
    stored = house.upload(user_id, b"cat")
    for file in house.folder.glob("??/*"):
        file.unlink()
    with pytest.raises(NotFound):
        house.uploads.view(user_id, stored.upload.name)
    assert house.uploads.probe(user_id, stored.upload.sha256, 3) is None
    assert house.upload(user_id, b"cat") == stored
    assert house.uploads.view(user_id, stored.upload.name)


def test_a_user_has_so_many_bytes_a_day(build: Callable[..., House]) -> None:
    house = build(user_bytes=100)
    greedy, other = house.user(), house.user()
    house.upload(greedy, b"x" * 60)
    with pytest.raises(QuotaExceeded):
        house.arrivals.begin(greedy, 41)
    house.upload(greedy, b"y" * 40)
    with pytest.raises(QuotaExceeded):
        house.arrivals.begin(greedy, 1)
    house.arrivals.begin(other, 100).end()


def test_what_is_under_way_counts_too(build: Callable[..., House]) -> None:
    house = build(user_bytes=100)
    user_id = house.user()
    first = house.arrivals.begin(user_id, 60)
    with pytest.raises(QuotaExceeded):
        house.arrivals.begin(user_id, 60)
    first.end()
    first.end()
    house.arrivals.begin(user_id, 60).end()


def test_few_at_once(house: House) -> None:
    user_id = house.user()
    arrivals = [house.arrivals.begin(user_id, 10) for _ in range(6)]
    with pytest.raises(TooManyRequests):
        house.arrivals.begin(user_id, 10)
    for arrival in arrivals:
        arrival.end()
    house.arrivals.begin(user_id, 10).end()


def test_too_much_too_little_and_more_than_announced(build: Callable[..., House]) -> None:
    house = build(max_bytes=1000, max_voice_bytes=1000, max_video_bytes=1000, max_file_bytes=1000)
    user_id = house.user()
    with pytest.raises(TooLarge):
        house.arrivals.begin(user_id, 1001)
    arrival = house.arrivals.begin(user_id, 10)
    arrival.write(b"x" * 10)
    with pytest.raises(TooLarge):
        arrival.write(b"x")
    arrival.end()
    empty = house.arrivals.begin(user_id, 10)
    with pytest.raises(BadParameter):
        empty.finish()
    empty.end()
    assert not house.arriving()


def test_clean_up_takes_what_nothing_uses_and_nobody_claimed_lately(house: House) -> None:
    user_id = house.user()
    used, unused = house.upload(user_id, b"cat").upload, house.upload(user_id, b"dog").upload
    house.store.users.update(user_id, {"avatar": f"/resource/{used.name}"})
    assert house.clean_up.collect(60_000) == 0
    house.clock.at_least(house.clock.now_ms() + 10)
    assert house.clean_up.collect(0) == 1
    assert house.files() == sorted((used.name, used.thumb))
    assert house.store.uploads.by_sha256(unused.sha256) is None
    assert house.uploads.view(user_id, used.name)


class ClaimInBetween:
    """The real storage, in which somebody is faster: `meanwhile` runs after the clean-up has looked."""

    def __init__(self, inner: object, meanwhile: Callable[[], object]) -> None:
        self._inner = inner
        self._meanwhile = meanwhile

    def unused(self, before_ms: int, limit: int) -> object:
        found = getattr(self._inner, "unused")(before_ms, limit)  # noqa: B009
        self._meanwhile()
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def test_a_claim_between_looking_and_removing_saves_the_file(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = house.user(), house.user()
    upload = house.upload(owner, b"cat").upload
    house.clock.at_least(house.clock.now_ms() + 10)

    def claim() -> None:
        house.clock.at_least(house.clock.now_ms() + 10)
        assert house.uploads.probe(other, upload.sha256, 3)

    monkeypatch.setattr(house.clean_up, "_uploads", ClaimInBetween(house.store.uploads, claim))
    assert house.clean_up.collect(0) == 0
    assert house.uploads.view(other, upload.name)
    assert house.files() == sorted((upload.name, upload.thumb))


def test_clean_up_while_the_same_bytes_are_sent_leaves_rows_and_files_in_step(house: House) -> None:
    users = [house.user() for _ in range(4)]
    ended = threading.Event()

    def send(user_id: int) -> int:
        kept = 0
        for number in range(40):
            try:
                house.upload(user_id, b"cat %d" % (number % 2))
                kept += 1
            except Busy:
                pass  # removed at this very moment: the next try makes a new copy
        return kept

    def collect() -> int:
        removed = 0
        while not ended.is_set():
            house.clock.at_least(house.clock.now_ms() + 1)
            removed += house.clean_up.collect(0)
        return removed

    with ThreadPoolExecutor(6) as threads:
        collectors = [threads.submit(collect) for _ in range(2)]
        answers = sum(future.result(100) for future in [threads.submit(send, user_id) for user_id in users])
        ended.set()
        removed = sum(future.result(100) for future in collectors)
    assert answers > 40
    assert removed > 0
    rows = [house.store.uploads.by_sha256(hashlib.sha256(b"cat %d" % number).hexdigest()) for number in range(2)]
    assert house.files() == sorted(name for row in rows if row for name in (row.name, row.thumb))


def test_sweeping_takes_files_without_a_row_only(house: House) -> None:
    user_id = house.user()
    kept = house.upload(user_id, b"cat").upload
    orphan = house.folder / "aa" / ("aa" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left by a crash")
    assert house.clean_up.sweep(60_000) == 0
    house.clock.at_least(house.clock.now_ms() + 50)
    assert house.clean_up.sweep(0) == 1
    assert house.files() == sorted((kept.name, kept.thumb))


def test_a_claim_that_fails_leaves_no_file(house: House) -> None:
    arrival = house.arrived(house.user(), b"cat")
    arrival.result_path.write_bytes(b"picture")
    paths = arrival.result_path, arrival.thumb_path
    with pytest.raises(FileNotFoundError):  # the thumbnail is missing
        house.uploads.keep(arrival.user_id, original(arrival), picture(b"picture"), *paths)
    arrival.end()
    assert not house.files()


# The folder of what arrives


def _arrive_and_wait(root: str, connection: Connection) -> None:
    folder = IncomingFolder(Path(root))
    IncomingFile(folder.new_path()).write(b"half a pict")
    connection.send(os.getpid())
    connection.recv()


def test_what_a_killed_process_left_is_removed_and_a_living_ones_stays(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_arrive_and_wait, args=(str(tmp_path), theirs))
    process.start()
    theirs.close()
    try:
        ours.recv()
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert [file.read_bytes() for file in files] == [b"half a pict"]
        IncomingFolder(tmp_path).close()
        assert files[0].exists(), "taken from a process that lives"
    finally:
        process.kill()
        process.join()
        ours.close()
    IncomingFolder(tmp_path).close()
    assert not files[0].exists()
    assert not list((tmp_path / ".incoming").iterdir())
