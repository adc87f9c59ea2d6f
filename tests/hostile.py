"""Uploads that are meant to harm: bombs, endless bodies, files that are two things at once. Made on the spot."""

import gzip
import io
import zipfile
from collections.abc import Callable

from PIL import Image

from tests import media, pictures
from tests.handlers.uploading import BOUNDARY, form

END = f"\r\n--{BOUNDARY}--\r\n".encode()


def _many_parts() -> bytes:
    part = form(b"", name="x")[: -len(END)]
    return part * 10_000 + form(pictures.phone_file("JPEG", 1))


def _tiny_frames(count: int) -> bytes:
    """A GIF whose frames have 20 bytes each."""
    head = b"GIF89a\x01\0\x01\0\x80\0\0" + b"\0\0\0\xff\xff\xff"
    return head + b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0" * count + b";"


def _apng(frames: int) -> bytes:
    images = [Image.new("RGB", (2, 2), (index % 256, index // 256, 0)) for index in range(frames)]
    return pictures.encoded(images[0], "PNG", save_all=True, append_images=images[1:])


def _truncated(kind: str) -> bytes:
    whole = pictures.gif(5) if kind == "GIF" else pictures.encoded(pictures.grainy(300, 200), kind)
    return whole[: len(whole) // 2]


# {name: the whole form}; each must be refused with a 4xx
BOMBS: dict[str, Callable[[], bytes]] = {
    "png of 50,000 x 50,000": lambda: form(pictures.png_head(50_000, 50_000)),
    "jpeg of 50,000 x 50,000": lambda: form(pictures.jpeg_head(50_000, 50_000)),
    "gif of 50,000 x 50,000": lambda: form(pictures.gif_head(50_000, 50_000)),
    "mpo of 50,000 x 50,000": lambda: form(pictures.mpo_head(50_000, 50_000)),
    "webp of 16,000 x 16,000": lambda: form(pictures.webp_head(16_000, 16_000)),
    "gif of 10,000 frames": lambda: form(pictures.gif(10_000, (4, 4))),
    "gif of 400,000 frames": lambda: form(_tiny_frames(400_000)),
    "png of 1001 frames": lambda: form(_apng(1001)),
    "10,000 parts": _many_parts,
    "a field of 1 MB": lambda: form(pictures.phone_file("JPEG", 1), fields=(("filetype", "x" * 1_000_000),)),
    **{f"half a {kind}": lambda kind=kind: form(_truncated(kind)) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "GIF")},  # type: ignore[misc]
    **{
        f"{name} as {file_name}": lambda data=data, file_name=file_name: form(data, file_name=file_name)  # type: ignore[misc]
        for name, data in {
            "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "html": b"<!DOCTYPE html><script>alert(1)</script>",
            "xml": b"\xef\xbb\xbf\n<?xml version='1.0'?><a/>",
            "html in utf-16": "<html>".encode("utf-16"),
            "gif that is a script": b"GIF89a=1;alert(1)//",
        }.items()
        for file_name in ("a.svg", "a.html", "a.png", "a.pdf", "a")
    },
}


def packed() -> bytes:
    """300 MB of zeros in 300 kB, for Content-Encoding: gzip."""
    return gzip.compress(bytes(300_000_000), 9)


# {name: (beginning of a form, what follows again and again)}
ENDLESS = {
    "file": (form(b"\x1a")[: -len(END)], bytes(65_536)),
    "picture": (form(b"\x89PNG\r\n\x1a\n")[: -len(END)], bytes(65_536)),
    "field": (form(b"x", name="filetype")[: -len(END)], b"x" * 65_536),
    "head of a part": (f"--{BOUNDARY}\r\nX-A: ".encode(), b"x" * 65_536),
    "preamble": (b"", b"x" * 65_536),
    "parts": (b"", form(b"", name="x")[: -len(END)] * 300),
}


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.html", pictures.HTML_TAIL)
    return file.getvalue()


# {name: a file that is a picture or a recording and something else; it is taken, and only the one is left of it}
POLYGLOTS: dict[str, bytes] = {
    "jpeg and html": pictures.encoded(pictures.quarters(), "JPEG", comment=pictures.HTML_TAIL) + pictures.HTML_TAIL,
    "png and html": pictures.phone_file("PNG", 1),
    "jpeg and zip": pictures.phone_file("JPEG", 2) + _zip(),
    "gif and html": pictures.gif(3, comment=pictures.HTML_TAIL) + pictures.HTML_TAIL,
    "webp and html": pictures.phone_file("WEBP", 1) + pictures.HTML_TAIL,
    "avif with exif": pictures.phone_file("AVIF", 6),
    "mp4 and html": media.mp4() + pictures.HTML_TAIL,
    "ogg and html": media.ogg() + pictures.HTML_TAIL,
}
