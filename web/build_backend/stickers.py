"""Draws the two sets of stickers into static/stickers/: SVG made of a few shapes, and index.json that names them.

    python web/build_backend/stickers.py [FOLDER]

Mochi is a round cat with moods, Pip a robot that answers. Everything is drawn here; nothing of others is used.
"""

import json
import sys
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "static"
INK, PINK, RED, SKY, GOLD, GREEN = "#4a3b36", "#ff9fb0", "#f0526a", "#5aa9f7", "#ffc83d", "#3dbd7d"
LINE = f'fill="none" stroke="{INK}" stroke-width="6" stroke-linecap="round" stroke-linejoin="round"'


def path(d: str, look: str = LINE) -> str:
    return f'<path d="{d}" {look}/>'


def dot(x: float, y: float, r: float, colour: str = INK) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{r}" fill="{colour}"/>'


def oval(x: float, y: float, rx: float, ry: float, colour: str, more: str = "") -> str:
    return f'<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" fill="{colour}" {more}/>'


def heart(x: float, y: float, size: float, colour: str = RED) -> str:
    s = size
    shape = f"M{x} {y + s}C{x - 2 * s} {y - s / 3} {x - s} {y - 1.4 * s} {x} {y - s / 2}"
    return path(f"{shape}C{x + s} {y - 1.4 * s} {x + 2 * s} {y - s / 3} {x} {y + s}Z", f'fill="{colour}"')


def star(x: float, y: float, r: float, colour: str = GOLD) -> str:
    q = r * 0.3
    points = ((0, -r), (q, -q), (r, 0), (q, q), (0, r), (-q, q), (-r, 0), (-q, -q))
    return f'<polygon points="{" ".join(f"{x + a:g},{y + b:g}" for a, b in points)}" fill="{colour}"/>'


def drop(x: float, y: float, size: float) -> str:
    s = size
    return path(
        f"M{x} {y - s}C{x + s} {y} {x + s} {y + s} {x} {y + s}C{x - s} {y + s} {x - s} {y} {x} {y - s}Z",
        f'fill="{SKY}"',
    )


def both(left: str) -> str:
    """The shape, and its mirror image on the other side of x = 120."""
    return left + f'<g transform="translate(240 0) scale(-1 1)">{left}</g>'


# Mochi

FUR, SHADE = "#fff6ea", "#f3dcc4"
EYES = {
    "open": both(oval(90, 122, 9, 12, INK) + dot(93, 117, 3.5, "#fff")),
    "happy": both(path("M78 126Q90 108 102 126")),
    "shut": both(path("M78 120Q90 134 102 120")),
    "hearts": both(heart(90, 122, 13)),
    "wide": both(dot(90, 120, 16, "#fff") + f'<circle cx="90" cy="120" r="16" {LINE}/>' + dot(90, 120, 6)),
    "cross": both(path("M78 110L102 122L78 132")),
    "angry": both(path("M76 104L102 116") + oval(92, 126, 8, 9, INK)),
    "sad": both(path("M76 112Q88 102 102 104") + oval(90, 126, 8, 10, INK)),
    "wink": oval(90, 122, 9, 12, INK) + dot(93, 117, 3.5, "#fff") + path("M138 124Q150 112 162 124"),
}
MOUTHS = {
    "cat": path("M104 144Q112 154 120 144Q128 154 136 144"),
    "open": path(
        "M104 142Q120 148 136 142Q134 168 120 168Q106 168 104 142Z", f'fill="{RED}" stroke="{INK}" stroke-width="5"'
    ),
    "o": oval(120, 152, 8, 10, RED, f'stroke="{INK}" stroke-width="5"'),
    "down": path("M106 154Q120 142 134 154"),
    "wave": path("M102 152Q108 144 114 152T126 152T138 152"),
}


def mochi(eyes: str, mouth: str, *more: str, paws: str = "down") -> str:
    outline = f'stroke="{INK}" stroke-width="6" stroke-linejoin="round"'
    body = [
        path("M188 186C226 186 222 146 204 146", LINE.replace('"6"', '"16"')),
        path("M188 186C226 186 222 146 204 146", LINE.replace('"6"', '"8"').replace(INK, FUR)),
        path("M62 84L60 34L104 62Z", f'fill="{FUR}" {outline}')
        + path("M178 84L180 34L136 62Z", f'fill="{FUR}" {outline}'),
        path("M70 68L69 48L86 60Z", f'fill="{PINK}"') + path("M170 68L171 48L154 60Z", f'fill="{PINK}"'),
        path(
            "M120 54C182 54 206 104 206 152C206 196 172 212 120 212C68 212 34 196 34 152C34 104 58 54 120 54Z",
            f'fill="{FUR}" {outline}',
        ),
        path("M50 176C64 206 176 206 190 176C186 204 160 209 120 209C80 209 54 204 50 176Z", f'fill="{SHADE}"'),
        both(oval(70, 146, 13, 8, PINK, 'opacity=".7"')),
        path("M46 128L24 122M46 138L22 140M194 128L216 122M194 138L218 140", LINE.replace('"6"', '"4"')),
    ]
    paw = f'fill="{FUR}" {outline}'
    if paws == "down":
        feet = both(f'<ellipse cx="92" cy="202" rx="18" ry="12" {paw}/>')
    elif paws == "up":
        feet = f'<ellipse cx="92" cy="202" rx="18" ry="12" {paw}/>'
        feet += f'<ellipse cx="204" cy="104" rx="14" ry="20" transform="rotate(24 204 104)" {paw}/>'
    else:
        feet = both(f'<ellipse cx="104" cy="184" rx="15" ry="13" transform="rotate(-30 104 184)" {paw}/>')
    return "".join((*body, EYES[eyes], MOUTHS[mouth], feet, *more))


def letters(text: str, x: float, y: float, size: float, colour: str = INK) -> str:
    font = 'font-family="Verdana,sans-serif" font-weight="bold" text-anchor="middle"'
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" {font}>{text}</text>'


def mochi_set() -> dict[str, tuple[str, str, str]]:
    """{id: (English, Chinese, drawing)}"""
    lines = path("M216 74Q226 84 224 98M206 64Q196 66 190 74", LINE.replace('"6"', '"4"'))
    tears = both(path("M84 136Q78 160 84 186Q94 186 96 136Z", f'fill="{SKY}" opacity=".85"'))
    steam = both(path("M40 60Q32 50 42 42Q52 34 42 24", LINE.replace('"6"', '"5"')))
    flower = "".join(dot(120 + a, 186 + b, 8, PINK) for a, b in ((0, -10), (10, -2), (6, 9), (-6, 9), (-10, -2))) + dot(
        120, 186, 6, GOLD
    )
    return {
        "hello": ("Hello", "你好", mochi("open", "cat", lines, paws="up")),
        "happy": ("Happy", "开心", mochi("happy", "open", star(32, 60, 14), star(210, 46, 10))),
        "laugh": ("Laughing", "笑哭", mochi("cross", "open", drop(58, 132, 10), drop(182, 132, 10))),
        "love": (
            "In love",
            "喜欢",
            mochi("hearts", "cat", heart(36, 56, 12), heart(206, 66, 9, PINK), paws="together"),
        ),
        "wink": ("Wink", "眨眼", mochi("wink", "cat", star(196, 60, 12))),
        "sad": ("Sad", "难过", mochi("sad", "down", drop(76, 150, 8))),
        "cry": ("Crying", "大哭", mochi("shut", "wave", tears)),
        "angry": ("Angry", "生气", mochi("angry", "wave", steam)),
        "sleep": (
            "Good night",
            "晚安",
            mochi("shut", "o", letters("z", 198, 66, 26), letters("z", 214, 44, 20), letters("z", 228, 26, 15)),
        ),
        "shock": (
            "Shocked",
            "震惊",
            mochi("wide", "o", path("M120 20V40M92 24L98 42M148 24L142 42", LINE.replace('"6"', '"5"'))),
        ),
        "thanks": ("Thank you", "谢谢", mochi("happy", "cat", flower, paws="together")),
        "sorry": ("Sorry", "抱歉", mochi("sad", "wave", drop(186, 74, 12), paws="together")),
    }


# Pip

STEEL, DARK, GLOW = "#cfd8e3", "#27324a", "#7ff0d4"
LIGHT = f'fill="none" stroke="{GLOW}" stroke-width="8" stroke-linecap="round" stroke-linejoin="round"'
FACES = {
    "smile": both(oval(92, 104, 8, 12, GLOW)) + path("M100 126Q120 142 140 126", LIGHT),
    "joy": both(path("M80 110Q92 94 104 110", LIGHT)) + path("M100 124Q120 146 140 124Z", f'fill="{GLOW}"'),
    "yes": path("M84 112L110 134L158 90", LIGHT),
    "no": path("M96 92L144 134M144 92L96 134", LIGHT),
    "think": dot(88, 112, 8, GLOW) + dot(120, 112, 8, GLOW) + dot(152, 112, 8, GLOW),
    "flat": both(oval(92, 104, 8, 12, GLOW)) + path("M102 132H138", LIGHT),
    "sleep": both(path("M80 106H104", LIGHT)) + path("M112 130H128", LIGHT),
    "sorry": both(path("M82 100L102 108", LIGHT)) + path("M102 136Q120 122 138 136", LIGHT),
    "heart": heart(120, 112, 24, GLOW),
    "wow": both(dot(92, 106, 13, GLOW) + dot(92, 106, 6, DARK)) + oval(120, 134, 7, 6, GLOW),
}


def pip(face: str, *more: str, arms: str = "down", lamp: str = RED) -> str:
    outline = f'stroke="{INK}" stroke-width="6" stroke-linejoin="round"'
    low, high = "M{0} 176Q{1} 182 {2} 206", "M{0} 184Q{3} 190 {4} 138"
    left = (high if arms == "both" else low).format(76, 48, 44, 14, 20)
    right = (high if arms in ("both", "up") else low).format(164, 192, 196, 226, 220)
    left_hand = (20, 138) if arms == "both" else (44, 206)
    right_hand = (196, 206) if arms == "down" else (220, 138)
    return "".join(
        (
            path("M120 62V36") + f'<circle cx="120" cy="28" r="11" fill="{lamp}" {outline}/>',
            path(left, LINE.replace('"6"', '"12"')) + path(right, LINE.replace('"6"', '"12"')),
            f'<circle cx="{left_hand[0]}" cy="{left_hand[1]}" r="13" fill="{STEEL}" {outline}/>',
            f'<circle cx="{right_hand[0]}" cy="{right_hand[1]}" r="13" fill="{STEEL}" {outline}/>',
            f'<rect x="76" y="160" width="88" height="58" rx="22" fill="{STEEL}" {outline}/>',
            f'<rect x="106" y="180" width="28" height="18" rx="6" fill="{GOLD}"/>',
            both(f'<rect x="32" y="92" width="18" height="40" rx="8" fill="{SKY}" {outline}/>'),
            f'<rect x="48" y="60" width="144" height="106" rx="34" fill="{STEEL}" {outline}/>',
            f'<rect x="64" y="76" width="112" height="74" rx="22" fill="{DARK}"/>',
            path(
                "M76 92Q80 84 90 84", 'fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".5"'
            ),
            FACES[face],
            *more,
        )
    )


def pip_set() -> dict[str, tuple[str, str, str]]:
    """{id: (English, Chinese, drawing)}"""
    thin = LINE.replace('"6"', '"5"')
    wave = path("M208 116Q218 106 230 114M204 100Q220 88 236 98", thin)
    cup = path(
        "M180 186H218L214 222H184ZM218 194Q232 196 226 208Q222 214 216 212",
        f'fill="#fff" stroke="{INK}" stroke-width="5" stroke-linejoin="round"',
    ) + path("M192 176Q188 168 194 162M206 176Q202 168 208 162", thin)
    bulb = (
        dot(206, 44, 20, GOLD)
        + f'<rect x="198" y="60" width="16" height="12" rx="4" fill="{INK}"/>'
        + path("M206 10V16M232 28L226 32M180 28L186 32", thin)
    )
    moon = (
        path("M196 20A26 26 0 1 0 222 54A22 22 0 0 1 196 20Z", f'fill="{GOLD}"') + star(170, 24, 8) + star(226, 22, 6)
    )
    party = path(
        "M98 60L124 8L148 60Z", f'fill="{PINK}" stroke="{INK}" stroke-width="6" stroke-linejoin="round"'
    ) + star(124, 10, 12)
    confetti = "".join(
        dot(x, y, 5, c)
        for x, y, c in ((24, 40, SKY), (52, 24, RED), (30, 82, GREEN), (196, 22, GREEN), (220, 60, RED), (212, 96, SKY))
    )
    work = (
        f'<rect x="62" y="184" width="116" height="40" rx="8" fill="#fff" stroke="{INK}" stroke-width="6"/>'
        + "".join(dot(x, 204, 5) for x in range(80, 170, 16))
    )
    sweat = drop(200, 66, 13)
    return {
        "hi": ("Hi", "嗨", pip("smile", wave, arms="up", lamp=GREEN)),
        "ok": ("OK", "好的", pip("yes", lamp=GREEN)),
        "no": ("No", "不行", pip("no")),
        "great": ("Great", "太棒了", pip("joy", star(28, 52, 14), star(214, 44, 12), arms="both", lamp=GREEN)),
        "think": ("Let me think", "让我想想", pip("think", lamp=GOLD)),
        "idea": ("An idea", "有主意了", pip("wow", bulb, arms="up", lamp=GOLD)),
        "coffee": ("Coffee break", "喝杯咖啡", pip("smile", cup, lamp=GREEN)),
        "work": ("Working", "工作中", pip("flat", work, lamp=GOLD)),
        "sorry": ("Sorry", "不好意思", pip("sorry", sweat)),
        "love": ("Love it", "爱了", pip("heart", heart(30, 60, 11), heart(212, 54, 13), arms="both")),
        "party": ("Party", "庆祝", pip("joy", party, confetti, arms="both", lamp=GREEN)),
        "night": ("Good night", "晚安", pip("sleep", moon, lamp=SKY)),
    }


SETS = (("mochi", "Mochi the cat", "团子猫", mochi_set), ("pip", "Pip the robot", "小机器人皮皮", pip_set))


def draw(folder: Path) -> None:
    """Writes every sticker and index.json, each only where it differs; removes what belongs to no set."""
    wanted = {}
    index = []
    for set_id, english, chinese, drawn in SETS:
        stickers = []
        for sticker_id, (label_en, label_zh, shapes) in drawn().items():
            name = f"{set_id}/{sticker_id}.svg"
            title = f"<title>{label_en}</title>"
            head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240" width="240" height="240">'
            wanted[name] = f"{head}{title}{shapes}</svg>\n"
            label = {"en": label_en, "zh": label_zh}
            stickers.append({"id": sticker_id, "label": label, "url": f"/asset/stickers/{name}"})
        index.append({"id": set_id, "name": {"en": english, "zh": chinese}, "stickers": stickers})
    wanted["index.json"] = json.dumps({"sets": index}, ensure_ascii=False, indent=1) + "\n"
    for name, text in wanted.items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for file in [*folder.rglob("*")]:
        if file.is_file() and file.relative_to(folder).as_posix() not in wanted:
            file.unlink()


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else STATIC / "stickers")
