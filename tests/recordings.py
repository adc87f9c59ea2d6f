"""Real recordings and videos by a real encoder (PyAV), with all that phones and programs write beside them."""

import array
import math
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av
import av.audio
import av.container
import av.video

RATE = 48_000
SIZE = (160, 120)
SECRETS = (
    b"Zhang San",
    b"Li Si",
    b"GPS 31.2304N",
    b"+31.2304+121.4737",
    b"iPhone",
    b"Apple",
    b"2026-11-23",
    b"10:11:12",
)
_TOLD = {
    "title": "Trip of Zhang San",
    "artist": "Zhang San",
    "comment": "GPS 31.2304N",
    "location": "+31.2304+121.4737/",
    "creation_time": "2026-11-23T10:11:12Z",
    "encoder": "iPhone of Li Si",
    "make": "Apple",
    "model": "iPhone",
    "timecode": "10:11:12:00",  # a track of its own in QuickTime
}
_CHAPTER = {"id": 0, "start": 0, "end": 500, "time_base": Fraction(1, 1000), "metadata": {"title": "At Zhang San's"}}
COVER = "iVBORw0KGgo" + "GPS 31.2304N" * 20_000  # comments of several pages


class Recipe(NamedTuple):
    form: str
    sound: str = ""
    picture: str = ""
    options: tuple[tuple[str, str], ...] = ()


RECIPES = {
    "opus.ogg": Recipe("ogg", "libopus"),
    "vorbis.ogg": Recipe("ogg", "vorbis"),
    "voice.webm": Recipe("webm", "libopus"),
    "vp8.webm": Recipe("webm", "libopus", "libvpx"),
    "live.webm": Recipe("webm", "libopus", "libvpx", (("live", "1"),)),  # no lengths, as browsers record
    "vp9.webm": Recipe("webm", "vorbis", "libvpx-vp9"),
    "h264.mkv": Recipe("matroska", "vorbis", "libx264"),
    "h264.mp4": Recipe("mp4", "aac", "libx264"),
    "tags.mp4": Recipe("mp4", "aac", "libx264", (("movflags", "use_metadata_tags+faststart"),)),
    "pieces.mp4": Recipe("mp4", "aac", "libx264", (("movflags", "frag_keyframe+empty_moov"),)),
    "h264.mov": Recipe("mov", "aac", "libx264"),
    "voice.m4a": Recipe("ipod", "aac"),
}


@cache
def recording(name: str) -> bytes:
    """A second of it."""
    recipe = RECIPES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with av.open(str(path), "w", format=recipe.form, options=dict(recipe.options)) as file:
            file.metadata.update(_TOLD)
            if recipe.form == "ogg":
                file.metadata["METADATA_BLOCK_PICTURE"] = COVER
            elif recipe.form == "matroska":
                file.add_attachment("GPS 31.2304N.txt", "text/plain", b"of Li Si's iPhone")
            if recipe.form not in ("ogg", "webm"):
                file.set_chapters([_CHAPTER])  # type: ignore[list-item]
            picture, sound = _streams(file, recipe)
            if picture is not None:
                _draw(file, picture)
            if sound is not None:
                _sing(file, sound)
        return path.read_bytes()


def _streams(
    file: av.container.OutputContainer, recipe: Recipe
) -> tuple[av.video.VideoStream | None, av.audio.AudioStream | None]:
    """All of them before the first packet."""
    picture: av.video.VideoStream | None = None
    sound: av.audio.AudioStream | None = None
    if recipe.picture:
        stream = file.add_stream(recipe.picture, rate=25)
        assert isinstance(stream, av.video.VideoStream)
        picture = stream
        picture.width, picture.height = SIZE
        picture.pix_fmt = "yuv420p"
        picture.metadata["title"] = "Camera of Li Si"
    if recipe.sound:
        options = {"strict": "-2"} if recipe.sound == "vorbis" else {}
        voice = file.add_stream(recipe.sound, rate=RATE, options=options, layout="stereo")
        assert isinstance(voice, av.audio.AudioStream)
        sound = voice
        sound.metadata["title"] = "Microphone of Zhang San"
    return picture, sound


def _draw(file: av.container.OutputContainer, stream: av.video.VideoStream) -> None:
    for number in range(25):
        frame = av.VideoFrame(*SIZE, "yuv420p")
        for plane_number, plane in enumerate(frame.planes):
            plane.update(bytes((number * 7 + plane_number * 40 + x) % 256 for x in range(plane.buffer_size)))
        frame.pts = number
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def _sing(file: av.container.OutputContainer, stream: av.audio.AudioStream) -> None:
    samples = stream.codec_context.frame_size or 1024
    form = stream.codec_context.format.name
    for number in range(RATE // samples + 1):
        wave = [0.3 * math.sin((number * samples + at) * 0.05) for at in range(samples)]
        frame = av.AudioFrame(form, "stereo", samples)
        for plane in frame.planes:
            both = [value for value in wave for _ in range(1 if form.endswith("p") else 2)]
            whole = form.startswith("s16")
            values = array.array("h", [int(value * 32_000) for value in both]) if whole else array.array("f", both)
            plane.update(values.tobytes())
        frame.rate, frame.pts = RATE, number * samples
        file.mux(stream.encode(frame))
    file.mux(stream.encode())
