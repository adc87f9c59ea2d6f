"""Who searches is told when the index is behind."""

from imtornado.records import Kind
from imtornado.tokenizer import query
from tests.storage.scene import Scene
from tests.storage.test_search import index

SINGLE = Kind.SINGLE


def test_who_searches_is_told_when_the_index_is_behind(scene: Scene) -> None:
    ada, bea = scene.friends()
    carl = scene.user()

    def is_behind(user_id: int, place: tuple[int, int] | None = None, page: int = 10) -> bool:
        return scene.store.search.find(user_id, query("word"), place, None, page).behind

    scene.send(ada, SINGLE, bea, "word one")
    assert not is_behind(ada), "it was sent just now"
    scene.later(61_000)
    assert is_behind(ada)
    assert is_behind(bea, (SINGLE, ada))
    assert not is_behind(carl), "he has nothing that could be found"
    index(scene.store)
    assert not is_behind(ada)
    scene.send(ada, SINGLE, bea, "word two")
    index(scene.store)
    assert not is_behind(ada, page=1), "there is another page"
    scene.store.search_index.start_anew()
    assert is_behind(ada), "its entries go before what is known of its progress"
