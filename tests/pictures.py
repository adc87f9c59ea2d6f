"""Pictures as people, phones and attackers send them, made on the spot."""

import io
import struct
import zlib
from functools import cache

from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 160, 20), (20, 20, 220), (250, 250, 250)

# What must never survive in anything that is served, whatever part of a file it stood in.
MARKERS = tuple(
    text.encode()
    for text in (
        *(
            "<script>",
            "</script>",
            "<svg",
            "<?xml",
            "<!DOCTYPE html",
            "<html",
            "<body",
            "<iframe",
            "<img src=",
            "<a href=",
        ),
        *(
            "<?php",
            "<%=",
            "#!/bin/sh",
            "%PDF-1.7",
            "PK\x03\x04",
            "MZ\x90",
            "\x7fELF",
            "Rar!\x1a",
            "GIFAR",
            "JFIF<script",
        ),
        *("javascript:", "data:text/html", "onerror=", "onload=", "onclick=", "alert(1)", "eval(", "document.cookie"),
        *("fetch('/", "XMLHttpRequest", "window.location", "import(", "require(", "process.env", "{{7*7}}", "${jndi:"),
        *("' OR 1=1", "; DROP TABLE", "/etc/passwd", "../../..", "GPS 31.2304N", "GPS 121.4737E", "Owner: Zhang San"),
        *(
            "SerialNumber 8213",
            "iPhone of Li Si",
            "MakerNote blob",
            "http://tracker.example",
            "http://ns.adobe.com/xap",
        ),
        *("Exif\0\0secret", "ICC_PROFILE\0secret"),
    )
)
HOSTILE = b" ".join(MARKERS)
HTML_TAIL = b"<html><script>alert(1)</script></html>" + HOSTILE

# What a camera has to do to an upright picture so that the EXIF orientation makes it upright again.
_TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters(width: int = 400, height: int = 240) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right: shows every turn."""
    image = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), RED)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), BLUE)
    return image


def grainy(width: int, height: int, sigma: float = 18) -> Image.Image:
    """A photograph as far as an encoder can tell."""
    slope = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (slope, Image.effect_noise((width, height), sigma), slope.rotate(180)))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNED[orientation]
    return image if turn is None else image.transpose(turn)


def exif(orientation: int = 1) -> Image.Exif:
    """What a phone writes: where, when, with what, and a maker note full of hostile text."""
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010E] = "description " + HOSTILE.decode("latin-1")
    data[0x010F] = "Maker"
    data[0x0110] = "iPhone of Li Si"
    data[0x013B] = "Owner: Zhang San"
    details = data.get_ifd(0x8769)
    details[0x9003] = "2026:11:23 10:11:12"
    details[0x927C] = b"MakerNote blob" + HOSTILE
    details[0xA431] = "SerialNumber 8213"
    gps = data.get_ifd(0x8825)
    gps[1], gps[2] = "N", (31.0, 13.0, 49.44)
    gps[3], gps[4] = "E", (121.0, 28.0, 25.32)
    gps[29] = "2026:11:23"
    return data


XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' dc:creator="Owner: Zhang San"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>' + HOSTILE
)


@cache
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def phone_file(kind: str, orientation: int) -> bytes:
    """An upright `quarters` as a phone stores it, with everything that gives its owner away; `kind` as Pillow's.

    Every second one has a colour profile: applying it makes a new picture, which alone would hide what is left in.
    """
    image = turned(quarters(), orientation)
    everything: dict[str, object] = {"exif": exif(orientation)}
    if orientation % 2 == 0:
        everything["icc_profile"] = srgb_profile()
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", HOSTILE.decode("latin-1"))
        texts.add_text("Author", "Owner: Zhang San", zip=True)
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode("latin-1"))
        return encoded(image, kind, pnginfo=texts, **everything) + HTML_TAIL
    if kind == "JPEG":
        return encoded(image, kind, quality=95, comment=HOSTILE, xmp=XMP, **everything) + HTML_TAIL
    if kind == "MPO":
        return encoded(image, kind, quality=95, save_all=True, append_images=[image], **everything) + HTML_TAIL
    return encoded(image, kind, quality=95, xmp=XMP, **everything)


def gif(frames: int, size: tuple[int, int] = (60, 40), *, comment: bytes = b"") -> bytes:
    """Frames that differ, each shown for 80 ms, for ever."""
    images = [Image.new("P", size, index % 250 + 1) for index in range(frames)]
    for index, image in enumerate(images):
        image.putpalette([value * 7 % 256 for value in range(768)])
        image.putpixel((index % size[0], 0), 0)
    return encoded(
        images[0], "GIF", save_all=True, append_images=images[1:], duration=80, loop=0, comment=comment[:255]
    )


def png_head(width: int, height: int) -> bytes:
    """A PNG of a few bytes that promises any size."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"\0" * 1000)),
            (b"IEND", b""),
        )
    )


def jpeg_head(width: int, height: int) -> bytes:
    """A JPEG whose frame header promises any size."""
    data = bytearray(encoded(quarters(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def mpo_head(width: int, height: int) -> bytes:
    """The picture of a phone with two lenses, both of which promise any size."""
    image = quarters()
    data = bytearray(encoded(image, "MPO", save_all=True, append_images=[image]))
    at = data.find(b"\xff\xc0")
    while at >= 0:
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
        at = data.find(b"\xff\xc0", at + 1)
    return bytes(data)


def gif_head(width: int, height: int) -> bytes:
    data = bytearray(gif(2))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def webp_head(width: int, height: int) -> bytes:
    """An extended WebP whose canvas promises any size below 2**24."""
    canvas = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    inner = encoded(quarters(), "WEBP", lossless=True)[12:]
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body
