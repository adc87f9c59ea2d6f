"""The pixels of a picture as they are meant: upright, in sRGB, and no more of them than wanted."""

import io

from PIL import Image, ImageCms

PROFILE_LIMIT_BYTES = 4_194_304

# EXIF orientation (tag 0x0112, CIPA DC-008) → what makes it upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION_TAG = 0x0112


def coloured(image: Image.Image, side: int) -> Image.Image:
    """RGB, or RGBA where something is transparent; in sRGB; not longer than `side`."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would clip to white
        image.load()
        image = image.convert("I").point(lambda grey: grey * (1 / 257)).convert("L")
    if image.mode == "CMYK":
        image = resized(image, side)
        return _in_srgb(image, profile, b"CMYK") or image.convert("RGB")
    transparent = image.has_transparency_data
    image = without_full_alpha(resized(image.convert("RGBA" if transparent else "RGB"), side))
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB")
    colours = _in_srgb(colours, profile, b"RGB ") or colours
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def without_full_alpha(image: Image.Image) -> Image.Image:
    """RGB where nothing is transparent, although there is a place for it."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image


def _in_srgb(image: Image.Image, profile: object, space: bytes) -> Image.Image | None:
    """The colours as the profile means them; None where there is no profile, or a broken or unsuitable one."""
    if not isinstance(profile, bytes) or len(profile) > PROFILE_LIMIT_BYTES or profile[16:20] != space:
        return None
    try:
        meant = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, meant, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def orientation_of(image: Image.Image) -> int:
    """1 to 8; 1 = upright, also where the EXIF data is broken."""
    try:
        said = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # a parser of somebody else's makeshift binary format
        return 1
    return said if isinstance(said, int) else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size with its long side cut to `side`, never enlarged."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(image: Image.Image, side: int) -> Image.Image:
    size = fitted(image.size, side)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
