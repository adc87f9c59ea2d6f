"""What `images.convert` makes of pictures, and of what is none."""

import base64
import io
import json
import struct
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from imtornado.errors import ImError, TooLarge, UnsupportedKind
from imtornado.file_records import Picture
from imtornado.images import convert
from tests import pictures
from tests.fixtures.services import require

MAX_PIXELS = 25_000_000
PHONE_FILES = [
    *((kind, orientation) for kind in ("JPEG", "PNG", "WEBP") for orientation in range(1, 9)),
    *(("MPO", orientation) for orientation in (1, 3, 6)),
    *(("AVIF", orientation) for orientation in (1, 6, 8)),
]


class Result:
    """The files that came out."""

    def __init__(self, picture: Picture, data: bytes, thumb: bytes) -> None:
        self.picture = picture
        self.data = data
        self.thumb = thumb
        prefix, _, encoded = picture.placeholder.partition(",")
        assert prefix == "data:image/webp;base64"
        self.placeholder = base64.b64decode(encoded)
        self.image = Image.open(io.BytesIO(data))

    def rgb(self, x: int, y: int) -> tuple[int, int, int]:
        red, green, blue = self.image.convert("RGB").getpixel((x, y))  # type: ignore[misc]
        return red, green, blue


class Converter:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.picture_path = folder / "picture"
        self.thumb_path = folder / "thumb"

    def __call__(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Result:
        source = self.folder / "source"
        source.write_bytes(data)
        picture = convert(str(source), str(self.picture_path), str(self.thumb_path), max_pixels)
        return Result(picture, self.picture_path.read_bytes(), self.thumb_path.read_bytes())


@pytest.fixture
def converted(tmp_path: Path) -> Converter:
    return Converter(tmp_path)


def near(colour: tuple[int, int, int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(colour, wanted, strict=True))


@pytest.mark.parametrize(("kind", "orientation"), PHONE_FILES)
def test_a_phones_file_comes_out_upright_and_with_nothing_but_its_pixels(
    converted: Converter, kind: str, orientation: int
) -> None:
    sent = pictures.phone_file(kind, orientation)
    assert any(marker in sent for marker in pictures.MARKERS), "the test's own file carries nothing"
    result = converted(sent)
    assert (result.picture.width, result.picture.height) == (400, 240) == result.image.size
    assert near(result.rgb(50, 50), pictures.RED)
    assert near(result.rgb(350, 50), pictures.GREEN)
    assert near(result.rgb(50, 200), pictures.BLUE)
    assert near(result.rgb(350, 200), pictures.WHITE)
    for data in (result.data, result.thumb, result.placeholder):
        assert not [marker for marker in pictures.MARKERS if marker in data]
        with Image.open(io.BytesIO(data)) as image:
            assert not dict(image.getexif())
            assert not {"icc_profile", "exif", "xmp", "comment", "photoshop"} & set(image.info)


def test_exiftool_finds_nothing_on_thirty_phone_files(tmp_path: Path) -> None:
    exiftool = require("exiftool", "reads metadata that Pillow does not know")
    assert len(PHONE_FILES) == 30
    names = []
    for kind, orientation in PHONE_FILES:
        folder = tmp_path / f"{kind}{orientation}"
        folder.mkdir()
        converter = Converter(folder)
        converter(pictures.phone_file(kind, orientation))
        names += [converter.picture_path, converter.thumb_path, folder / "source"]
    run = subprocess.run(
        [exiftool, "-j", "-G", "-a", "-u", *map(str, names)], capture_output=True, timeout=100, check=True
    )
    telling = {}
    for file in json.loads(run.stdout):
        # The container's own description (size, codec, density) tells of nobody.
        groups = {key.partition(":")[0] for key in file} - {
            "SourceFile",
            "ExifTool",
            "File",
            "JFIF",
            "RIFF",
            "Composite",
        }
        groups |= {key for key in file if key.endswith((":Comment", ":Warning"))}
        telling[file["SourceFile"]] = groups
    assert all(groups for name, groups in telling.items() if name.endswith("source")), "the phone files tell nothing"
    assert not {name: groups for name, groups in telling.items() if groups and not name.endswith("source")}


def test_a_photograph_becomes_a_small_jpeg_with_a_tiny_thumbnail(converted: Converter) -> None:
    sent = pictures.encoded(pictures.grainy(4000, 3000), "JPEG", quality=85)
    result = converted(sent)
    assert len(sent) > 3_000_000
    assert (result.image.format, result.image.size, result.picture.mime) == ("JPEG", (1600, 1200), "image/jpeg")
    assert len(result.data) <= 600_000
    with Image.open(io.BytesIO(result.thumb)) as thumb:
        assert (thumb.format, thumb.size) == ("WEBP", (320, 240))
    assert len(result.thumb) <= 15_000


@pytest.mark.parametrize("size", [(1500, 1100), (16, 16), (3000, 2), (1, 1), (2, 3000)])
def test_thumbnail_and_placeholder_keep_their_bounds(converted: Converter, size: tuple[int, int]) -> None:
    result = converted(pictures.encoded(Image.effect_noise(size, 120).convert("RGB"), "PNG"))
    assert len(result.thumb) <= 15_000
    assert len(result.placeholder) <= 100
    with Image.open(io.BytesIO(result.placeholder)) as tiny:
        assert max(tiny.size) <= 20


def test_a_screenshot_keeps_every_pixel(converted: Converter) -> None:
    drawing = pictures.quarters(2560, 1440)
    result = converted(pictures.encoded(drawing, "PNG"))
    assert (result.image.format, result.image.size) == ("WEBP", (2560, 1440))
    assert result.image.convert("RGB").tobytes() == drawing.tobytes()


def test_transparency_stays_and_what_it_hides_goes(converted: Converter) -> None:
    image = Image.new("RGBA", (100, 60), (200, 30, 30, 255))
    image.paste((1, 2, 3, 0), (0, 0, 50, 60))
    result = converted(pictures.encoded(image, "PNG"))
    assert result.image.mode == "RGBA"
    hidden, shown = result.image.getpixel((10, 10)), result.image.getpixel((80, 10))
    assert isinstance(hidden, tuple)
    assert hidden[3] == 0
    assert hidden[:3] != (1, 2, 3)
    assert shown == (200, 30, 30, 255)


def test_an_animation_stays_one(converted: Converter) -> None:
    result = converted(pictures.gif(12, comment=pictures.HOSTILE))
    assert result.picture.mime == "image/webp"
    assert getattr(result.image, "n_frames", 1) == 12
    result.image.seek(3)
    result.image.load()
    assert result.image.info["duration"] == 80
    assert result.image.info["loop"] == 0
    assert not [marker for marker in pictures.MARKERS if marker in result.data]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_animations_stay_animated_too(converted: Converter, kind: str) -> None:
    frames = [Image.new("RGB", (50, 40), (index * 20, 0, 0)) for index in range(6)]
    sent = pictures.encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    assert getattr(converted(sent).image, "n_frames", 1) == 6


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [
        ("I;16", 40000, (156, 156, 156)),
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("LA", (90, 255), (90, 90, 90)),
    ],
)
def test_every_depth_shows_its_colours(
    converted: Converter, mode: str, colour: int | tuple[int, ...], wanted: tuple[int, int, int]
) -> None:
    result = converted(pictures.encoded(Image.new(mode, (30, 20), colour), "PNG"))
    assert all(abs(one - other) <= 1 for one, other in zip(result.rgb(10, 10), wanted, strict=True))


def test_colours_are_turned_into_srgb(converted: Converter) -> None:
    # A profile whose red and green are exchanged: only who applies it sees green.
    profile = bytearray(pictures.srgb_profile())
    count = struct.unpack(">I", profile[128:132])[0]
    tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    sent = pictures.encoded(Image.new("RGB", (40, 30), (255, 0, 0)), "PNG", icc_profile=bytes(profile))
    assert near(converted(sent).rgb(5, 5), (0, 255, 0))


def test_a_broken_profile_or_broken_exif_is_no_reason_to_refuse(converted: Converter) -> None:
    sent = pictures.encoded(
        pictures.quarters(),
        "JPEG",
        icc_profile=b"\0" * 16 + b"RGB " + b"\xff" * 200,
        exif=b"Exif\0\0II*\0\xff\xff\xff\xff",
    )
    assert converted(sent).image.size == (400, 240)


NO_PICTURES = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
    "text": b"hello",
    "bmp": pictures.encoded(Image.new("RGB", (10, 10)), "BMP"),
    "tiff": pictures.encoded(Image.new("RGB", (10, 10)), "TIFF"),
    "eps": pictures.encoded(Image.new("RGB", (10, 10)), "EPS"),
    "ico": pictures.encoded(Image.new("RGB", (16, 16)), "ICO"),
    "gif with a script as its comment": b"GIF89a=1;alert(1)//",
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_of_ours_is_refused(converted: Converter, name: str) -> None:
    with pytest.raises(UnsupportedKind):
        converted(NO_PICTURES[name])
    assert not converted.picture_path.exists()
    assert not converted.thumb_path.exists()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_a_truncated_picture_is_refused(converted: Converter, kind: str) -> None:
    whole = pictures.gif(5) if kind == "GIF" else pictures.encoded(pictures.grainy(300, 200), kind)
    for part in (0.05, 0.4, 0.9):
        with pytest.raises(ImError):
            converted(whole[: int(len(whole) * part)])


BOMBS = {
    "png": pictures.png_head(50_000, 50_000),
    "png at the border": pictures.png_head(5_000, 5_001),
    "jpeg": pictures.jpeg_head(50_000, 50_000),
    "gif": pictures.gif_head(50_000, 50_000),
    "webp": pictures.webp_head(50_000, 50_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_too_many_pixels_are_refused_before_they_are_decoded(converted: Converter, name: str) -> None:
    started = time.process_time()
    # A canvas beyond what the format allows is no picture at all.
    with pytest.raises((TooLarge, UnsupportedKind) if name == "webp" else TooLarge):
        converted(BOMBS[name])
    assert time.process_time() - started < 5  # of 2.5 thousand million pixels


def test_ten_thousand_frames_are_refused(converted: Converter) -> None:
    started = time.process_time()
    with pytest.raises(TooLarge):
        converted(pictures.gif(10_000, (4, 4)))
    assert time.process_time() - started < 10


def test_all_frames_together_are_bounded(converted: Converter) -> None:
    sent = pictures.gif(30, (100, 100))
    assert converted(sent, max_pixels=100_000).picture.mime == "image/webp"
    with pytest.raises(TooLarge):
        converted(sent, max_pixels=50_000)


def test_an_error_says_the_limit_in_words(converted: Converter) -> None:
    with pytest.raises(TooLarge, match="at most 25 million") as caught:
        converted(BOMBS["png"])
    assert caught.value.field == "file"
