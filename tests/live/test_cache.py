"""A cache holds so much for so long, and counts."""

from imtornado.live.cache import Cache


def test_the_last_used_stay() -> None:
    cache: Cache[int, str] = Cache(2)
    assert cache.put(1, "one") == []
    assert cache.put(2, "two") == []
    assert cache.get(1) == "one"
    assert cache.put(3, "three") == ["two"]
    assert (cache.get(1), cache.get(2), cache.get(3)) == ("one", None, "three")
    assert (len(cache), cache.hits, cache.misses) == (2, 3, 1)
    assert cache.put(1, "another") == ["one"]
    assert cache.drop(1) == ["another"]
    assert cache.drop(1) == []
    assert cache.get(1) is None
    assert len(cache) == 1


def test_nothing_is_believed_for_longer_than_its_age() -> None:
    now = 100.0
    cache: Cache[int, str] = Cache(2, 10.0, lambda: now)
    cache.put(1, "one")
    now = 109.9
    assert cache.get(1) == cache.peek(1) == "one"
    now = 110.0
    assert cache.get(1) is None, "being used does not make it younger"
    assert cache.peek(1) is None
    assert (cache.hits, cache.misses) == (1, 1)


def test_of_size_0_it_keeps_nothing() -> None:
    cache: Cache[int, str] = Cache(0)
    assert cache.put(1, "one") == []
    assert cache.get(1) is None
    assert len(cache) == 0
