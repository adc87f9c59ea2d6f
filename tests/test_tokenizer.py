"""What the index makes of texts: whatever a query matches in a text has its tokens there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imtornado import tokenizer
from imtornado.errors import BadParameter
from imtornado.tokenizer import TERMS, TOKENS_USED, folded, matches, query, tokens

PIECES = [
    *(
        "开会",
        "会",
        "今天",
        "iPhone",
        "K",
        "ktv",
        " ",
        ", ",
        "。",
        "5",
        "月",
        "2026",
        "😂",
        "👍🏽",
        "é",
        "STRASSE",
        "ß",
    ),
    *("ß", "स्कूल", "ひらがな", "สวัสดี", "_", "-"),
]


def found(text: str, wanted: str) -> bool:
    """By the index and by the text."""
    asked = query(wanted)
    text = folded(text)
    return set(asked.tokens) <= tokens(text) and matches(asked, text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("今天下午开会，请准时", "开会"),
        ("今天下午开会", "下午开会"),
        ("请在5月之前交", "5月"),
        ("周末去KTV吗", "去ktv"),
        ("新的iPhone手机到了", "IPHONE手机"),
        ("The Meeting is moved", "meet"),
        ("The Meeting is moved", "MOVED the"),
        ("Die Straße ist lang", "STRASSE"),
        ("ＡＢＣ１２３", "abc123"),
        ("ｶﾒﾗを買う", "カメラ"),
        ("see https://example.com/path", "example.com"),
        ("haha 😂😂", "😂"),
        ("good 👍🏽", "👍"),
        ("I ❤️ you", "❤"),
        ("my plan b", "plan b"),
        ("मेरा स्कूल", "स्कूल"),
        ("invoice 20261125-0042", "2026112"),
        ("cafe\u0301", "café"),
    ],
)
def test_a_text_is_found_by_what_it_says(text: str, wanted: str) -> None:
    assert found(text, wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("开心的会议", "开会"),  # both characters, not as neighbours
        ("the workflow", "flow"),  # a word is found from its beginning
        ("15月", "5月"),
        ("the meadow", "meeting"),
        ("今天 开会", "今天开会"),
        ("hello", "hello world"),
    ],
)
def test_a_text_is_not_found_by_what_it_does_not_say(text: str, wanted: str) -> None:
    assert not found(text, wanted)


@pytest.mark.parametrize("wanted", ["", "   ", "a", "猫", "…", "c++", "!?"])
def test_what_no_index_holds_is_refused(wanted: str) -> None:
    with pytest.raises(BadParameter) as refused:
        query(wanted)
    assert refused.value.field == "q"


def test_a_query_is_bounded() -> None:
    long = query("今天下午三点我们在二楼大会议室开会请大家准时参加不要迟到谢谢配合")
    assert 0 < len(long.tokens) <= TOKENS_USED
    with pytest.raises(BadParameter):
        query(" ".join(f"word{n}" for n in range(TERMS + 1)))


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.data())
def test_whatever_matches_has_its_tokens_in_the_text(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    try:
        asked = query(text[start:end])
    except BadParameter:
        return
    if matches(asked, folded(text)):
        assert set(asked.tokens) <= tokens(folded(text))


@given(st.text(), st.text(min_size=1, max_size=5))
def test_any_text_can_be_indexed_and_asked_for(text: str, wanted: str) -> None:
    assert all(0 < token < 2**53 for token in tokens(folded(text)))
    try:
        asked = query(wanted)
    except BadParameter:
        return
    if matches(asked, folded(text)):
        assert set(asked.tokens) <= tokens(folded(text))


def test_what_is_remembered_of_words_is_short() -> None:
    """Texts of one word, as keys and pictures that somebody pastes, would fill the memory."""
    before = tokenizer._beginnings.cache_info().currsize
    for end in range(100):
        tokens(f"overlongword{'x' * 3000}{end}")
    assert tokenizer._beginnings.cache_info().currsize <= before + 1
