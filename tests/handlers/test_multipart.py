"""The multipart parser, fed in pieces of every size."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.multipart import HEADER_LIMIT_BYTES, MultipartParser, Part, Piece, boundary_of
from imtornado.errors import MalformedBody

BOUNDARY = b"----WebKitFormBoundaryX7"


def part(name: str, data: bytes, file_name: str | None = None) -> bytes:
    head = f'--{BOUNDARY.decode()}\r\nContent-Disposition: form-data; name="{name}"'
    if file_name is not None:
        head += f'; filename="{file_name}"\r\nContent-Type: image/png'
    return head.encode() + b"\r\n\r\n" + data + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"


def fed(pieces: list[bytes], parser: MultipartParser | None = None) -> list[tuple[Part, bytes]]:
    """The parts with their whole bytes."""
    parser = parser or MultipartParser(BOUNDARY)
    given: list[Piece] = [piece for data in pieces for piece in parser.feed(data)]
    parser.close()
    found: list[tuple[Part, bytes]] = []
    for piece in given:
        if isinstance(piece, Part):
            found.append((piece, b""))
        else:
            found[-1] = found[-1][0], found[-1][1] + piece
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(marks)]


# Bytes that look like the beginning of a boundary are where parsers go wrong.
near_boundaries = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"\r\n--" + BOUNDARY[:-1], BOUNDARY, b"x", b"\0"]),
    max_size=12,
).map(b"".join)
contents = st.one_of(st.binary(max_size=300), near_boundaries).filter(
    lambda data: b"\r\n--" + BOUNDARY not in b"\r\n" + data
)


@given(st.lists(contents, min_size=1, max_size=5), st.lists(st.integers(0, 5000), max_size=40))
def test_whatever_the_pieces_the_parts_come_out_whole(datas: list[bytes], places: list[int]) -> None:
    body = b"".join(part(f"field{number}", data, "a.png") for number, data in enumerate(datas)) + END
    assert fed(cut(body, places)) == [(Part(f"field{number}", "a.png"), data) for number, data in enumerate(datas)]


@given(contents)
def test_byte_by_byte(data: bytes) -> None:
    body = part("file", data, "x.jpg") + END
    assert fed([bytes((byte,)) for byte in body]) == [(Part("file", "x.jpg"), data)]


@given(contents, st.integers(min_value=0))
def test_a_body_that_ends_early_is_malformed(data: bytes, place: int) -> None:
    body = part("file", data, "x.jpg") + END
    early = body[: place % (len(body) - 3)]  # without the last "-" of the end
    with pytest.raises(MalformedBody):
        fed([early])


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_noise_raises_nothing_else(pieces: list[bytes]) -> None:
    with contextlib.suppress(MalformedBody):
        fed([b"--" + BOUNDARY, *pieces])


def test_little_is_held_back() -> None:
    parser = MultipartParser(BOUNDARY)
    parser.feed(part("file", b"", "a.png")[:-2])
    given = sum(len(piece) for _ in range(100) for piece in parser.feed(b"x" * 65536) if isinstance(piece, bytes))
    assert given > 100 * 65536 - 200


def test_what_follows_the_end_says_nothing() -> None:
    assert fed([part("a", b"1") + END, b"\r\n--" + BOUNDARY + b"\r\n", b"junk"]) == [(Part("a", None), b"1")]


@pytest.mark.parametrize(
    ("header", "name", "file_name"),
    [
        ('form-data; name="file"; filename="照片.png"', "file", "照片.png"),
        ('form-data; filename="a;b.png"; name="file"', "file", "a;b.png"),
        (r'form-data; name="file"; filename="a\"b.png"', "file", 'a"b.png'),
        ("form-data; name=file", "file", None),
        ('FORM-DATA; NAME="file"; FILENAME=""', "file", ""),
    ],
)
def test_heads_as_clients_write_them(header: str, name: str, file_name: str | None) -> None:
    body = f"--{BOUNDARY.decode()}\r\ncontent-disposition: {header}\r\n\r\nx\r\n".encode() + END
    assert fed([body]) == [(Part(name, file_name), b"x")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all " * 100,
        b"--" + BOUNDARY + b"junk\r\n",
        b"--" + BOUNDARY + b"\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END,
        b"--" + BOUNDARY + b"\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n" + END,
        b"--" + BOUNDARY + b"\r\nX: " + b"x" * (2 * HEADER_LIMIT_BYTES),
        b"--" + BOUNDARY + b" " * (2 * HEADER_LIMIT_BYTES),
        b"".join(part("a", b"") for _ in range(10_000)) + END,
    ],
)
def test_damaged_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        fed([body])


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b:c"', b"a b:c"),
    ],
)
def test_the_boundary_is_found(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/mixed; boundary=a",
        "text/html; boundary=a",
        "multipart/form-data; boundary=" + "a" * 71,
    ],
)
def test_without_a_boundary_nothing_is_read(content_type: str) -> None:
    with pytest.raises(MalformedBody):
        boundary_of(content_type)
