"""Pictures made safe and small: the pixels of what was sent, on a fresh canvas, and nothing else of it.

`convert` is run in a worker process (`imtornado.processes`): the bytes are a stranger's, and decoders crash.
"""

import base64
import io
import warnings
from pathlib import Path
from typing import NamedTuple

from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from imtornado.errors import ImError, TooLarge, UnsupportedKind
from imtornado.file_records import Picture
from imtornado.pixels import coloured, fitted, orientation_of, resized, upright, without_full_alpha

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
# What Pillow may say that it has opened: with "JPEG" it also opens the MPO of phones, whose first frame is a JPEG.
READ_FORMATS = frozenset((*FORMATS, "MPO"))
PHOTO_FORMATS = frozenset(("JPEG", "MPO", "AVIF"))

PHOTO_SIDE = 1600
PHOTO_LIMIT_BYTES = 600_000
DRAWING_SIDE = 4096  # a screenshot made smaller cannot be read any more
DRAWING_COLOURS = 32_768  # photographs of that size have far more
DRAWING_LIMIT_BYTES = 1_500_000
ANIMATION_SIDE = 800
ANIMATION_PIXELS = 30_000_000  # of all frames after scaling; they are in memory together
FRAME_LIMIT = 1000
# (long side, quality), the first that is small enough is taken
THUMB_LIMIT_BYTES = 15_000
SQUARE_SIDE = 512
SMALL_SQUARE_SIDE = 128
THUMB_STEPS = ((320, 78), (320, 62), (320, 45), (320, 25), (240, 25), (160, 25), (96, 10))
PLACEHOLDER_LIMIT_BYTES = 100
PLACEHOLDER_STEPS = ((16, 40), (16, 10), (12, 10), (10, 5), (8, 0), (6, 0), (4, 0), (1, 0))


class Encoded(NamedTuple):
    """Bytes ready to be stored, their type, and the still picture that thumbnails are made of."""

    data: bytes
    mime: str
    still: Image.Image


def convert(source: str, picture_path: str, thumb_path: str, max_pixels: int, *, square: bool = False) -> Picture:
    """Writes the picture and its thumbnail (WebP, long side 320) to the two paths, from a file of any kind.

    Photographs become JPEG of at most 1600 pixels a side, drawings and what is transparent lossless WebP,
    animations animated WebP. `square`: the middle of the (first) picture, 512 pixels a side, and 128 as thumbnail.
    Worker process only: it sets Pillow's limits for the whole process.
    Raises: UnsupportedKind for all but a whole JPEG, PNG, GIF, WebP or AVIF; TooLarge for too many pixels or frames.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a stack for each core does not fit into the memory bound
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of broken metadata, which is dropped anyway
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            encoded = _square(source, max_pixels) if square else _encoded(source, max_pixels)
            thumb = _thumbnail(encoded.still, SMALL_SQUARE_SIDE if square else THUMB_STEPS[0][0])
            placeholder = _placeholder(encoded.still)
            with Image.open(io.BytesIO(encoded.data)) as result:
                width, height = result.size
    except ImError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except UnidentifiedImageError as error:
        raise UnsupportedKind("Only pictures are taken here: JPEG, PNG, GIF, WebP or AVIF.", field="file") from error
    except Exception as error:  # what decoders raise on hostile bytes has no bounds
        raise UnsupportedKind("The picture is damaged and cannot be read.", field="file") from error
    Path(picture_path).write_bytes(encoded.data)
    Path(thumb_path).write_bytes(thumb)
    return Picture(encoded.mime, width, height, placeholder)


def _square(source: str, max_pixels: int) -> Encoded:
    """An avatar or icon."""
    with Image.open(source, formats=FORMATS) as image:
        _require_readable(image, max_pixels)
        orientation = orientation_of(image)
        side = min(image.size)
        # Twice the side: the long one is cut, and half a pixel more on each side keeps edges sharp.
        image.draft("RGB", (2 * SQUARE_SIDE * image.width // side, 2 * SQUARE_SIDE * image.height // side))
        still = upright(coloured(image, max(image.size)), orientation)
    side = min(still.size)
    left, top = (still.width - side) // 2, (still.height - side) // 2
    still = resized(still.crop((left, top, left + side, top + side)), SQUARE_SIDE)
    return Encoded(_saved(still, "WEBP", quality=82, method=4), "image/webp", still)


def _encoded(source: str, max_pixels: int) -> Encoded:
    with Image.open(source, formats=FORMATS) as image:
        _require_readable(image, max_pixels)
        frames = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
        if frames > 1:
            return _animation(image, frames, max_pixels)
        if image.format in PHOTO_FORMATS:
            return _photo_or_drawing(image)
        return _drawing_or_photo(image, Path(source).stat().st_size)


def _require_readable(image: Image.Image, max_pixels: int) -> None:
    if image.format not in READ_FORMATS:
        raise UnsupportedKind("Only pictures are taken here: JPEG, PNG, GIF, WebP or AVIF.", field="file")
    _require_size(image, max_pixels)


def _require_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise _too_many_pixels(max_pixels)


def _too_many_pixels(max_pixels: int) -> TooLarge:
    return TooLarge(
        "The picture has too many pixels: at most {megapixels} million are taken.",
        field="file",
        megapixels=f"{max_pixels / 1_000_000:g}",
    )


def _photo_or_drawing(image: Image.Image) -> Encoded:
    """Of a format that is made for photographs."""
    orientation = orientation_of(image)
    # A JPEG decoder can give a half or a quarter of the size at a fraction of the cost.
    image.draft("RGB", fitted(image.size, PHOTO_SIDE))
    still = upright(coloured(image, PHOTO_SIDE), orientation)
    return _drawing(still) if still.mode == "RGBA" else _photo(still)


def _drawing_or_photo(image: Image.Image, source_bytes: int) -> Encoded:
    """Of a format that holds both."""
    # Noise and grain leave a PNG half a byte a pixel and more, whatever the number of colours; a screenshot a tenth.
    pixels = image.width * image.height
    grainy = pixels > 500_000 and source_bytes > pixels // 2
    still = upright(coloured(image, DRAWING_SIDE), orientation_of(image))
    if still.mode == "RGBA" or (not grainy and still.getcolors(DRAWING_COLOURS) is not None):
        return _drawing(still)
    return _photo(still)


def _photo(still: Image.Image) -> Encoded:
    still = resized(still, PHOTO_SIDE)
    for quality in (82, 72, 60):
        data = _saved(still, "JPEG", quality=quality, optimize=True, progressive=True)
        if len(data) <= PHOTO_LIMIT_BYTES:
            break
    return Encoded(data, "image/jpeg", still)


def _drawing(still: Image.Image) -> Encoded:
    # Method 4 saves a third and takes four times as long: worth it where it is short anyway.
    method = 4 if still.width * still.height <= 2_000_000 else 0
    data = _saved(still, "WEBP", lossless=True, quality=50, method=method)
    if len(data) > DRAWING_LIMIT_BYTES:  # a photograph with cut-out edges
        still = resized(still, PHOTO_SIDE)
        data = _saved(still, "WEBP", quality=85, method=4)
    return Encoded(data, "image/webp", still)


def _animation(image: Image.Image, count: int, max_pixels: int) -> Encoded:
    if count > FRAME_LIMIT or count * image.width * image.height > 4 * max_pixels:
        raise TooLarge("The animation is too long: make it smaller or shorter.", field="file")
    orientation = orientation_of(image)
    # An APNG may carry a picture for viewers that know no animations; it is no frame.
    first = 1 if image.info.get("default_image") and count > 2 else 0
    budget = ANIMATION_PIXELS / (count * image.width * image.height)
    side = min(ANIMATION_SIDE, max(1, int(max(image.size) * budget**0.5)))
    loop = _loop(image)
    frames, durations_ms = [], []
    for index in range(first, count):
        image.seek(index)
        _require_size(image, max_pixels)
        frames.append(upright(resized(image.convert("RGBA"), side), orientation))
        durations_ms.append(_duration_ms(image))
    data = _saved(
        frames[0],
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=durations_ms,
        loop=loop,
        quality=72,
        method=0,
        allow_mixed=True,
    )
    return Encoded(data, "image/webp", without_full_alpha(frames[0]))


def _loop(image: Image.Image) -> int:
    """How often a WebP plays, 0 = for ever, for what the source says."""
    said = image.info.get("loop")
    if image.format != "GIF":
        return int(said or 0)
    # A GIF tells repeats (0 = for ever) and without that plays once.
    return 1 if said is None else 0 if said == 0 else min(int(said) + 1, 65535)


def _duration_ms(image: Image.Image) -> int:
    said = image.info.get("duration") or 0
    # Browsers show what is shorter than 20 ms for 100.
    return 100 if said < 20 else min(int(said), 60_000)


def _thumbnail(still: Image.Image, largest: int) -> bytes:
    for side, quality in THUMB_STEPS:
        data = _saved(resized(still, min(side, largest)), "WEBP", quality=quality, method=4)
        if len(data) <= THUMB_LIMIT_BYTES:
            break
    return data


def _placeholder(still: Image.Image) -> str:
    """A data: URL of a WebP that is at most 100 bytes: what shows while the picture is fetched."""
    if still.mode == "RGBA":
        backed = Image.new("RGB", still.size, (128, 128, 128))
        backed.paste(still, mask=still.getchannel("A"))
        still = backed
    for side, quality in PLACEHOLDER_STEPS:
        data = _saved(resized(still, side), "WEBP", quality=quality, method=6)
        if len(data) <= PLACEHOLDER_LIMIT_BYTES:
            break
    return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The pixels on a canvas of their own: `info`, which savers write out again, stays behind."""
    canvas = Image.new(image.mode, image.size)
    canvas.paste(image)
    file = io.BytesIO()
    canvas.save(file, kind, **options)
    return file.getvalue()
