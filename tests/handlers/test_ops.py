"""What operators ask: /healthz, /readyz, /metrics."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.server import StartServer
from tests.handlers.calls import exchange, post_json
from tests.handlers.house import House, open_house

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), "server.trusted_proxies=127.0.0.1") as opened:
        opened.person("the administrator")
        yield opened


def test_alive_and_ready(house: House) -> None:
    assert exchange(house.port, "GET", "/healthz").envelope["data"] == "alive"
    ready = exchange(house.port, "GET", "/readyz").envelope
    assert (ready["data"], ready["durability"]) == ("ready", "full")


def test_a_server_that_may_lose_messages_says_so(start_server: StartServer) -> None:
    server = start_server("storage.unsafe_durability=yes")
    assert "unsafe_durability" in exchange(server.port, "GET", "/readyz").envelope["durability"]


def test_figures_are_for_this_machine_and_administrators(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_house(tmp_path_factory.mktemp("house")) as house:
        admin, other = house.people(2)
        assert exchange(house.port, "GET", "/metrics").status == 200
        through = {"X-Forwarded-For": "192.0.2.1"}
        assert exchange(house.port, "GET", "/metrics", headers=through).status == 401
        for person, status in ((admin, 200), (other, 403)):
            headers = through | {"Authorization": f"Bearer {person.token}"}
            assert exchange(house.port, "GET", "/metrics", headers=headers).status == status


def test_requests_are_counted_by_route_whatever_callers_make_up(house: House) -> None:
    for number in range(50):
        exchange(house.port, "GET", f"/made-up-{number}")
        exchange(house.port, "GET", f"/asset/made-up-{number}")
        exchange(house.port, "GET", f"/resource/made-up-{number}")
        exchange(house.port, "GET", f"/made-up-{number}", headers={"Host": "evil.example"})
        exchange(house.port, f"MADE{number}", "/user/login")
    post_json(house.port, "/user/login", {"mobile": "99999999", "passwd": "wrong horse 1"})
    figures = exchange(house.port, "GET", "/metrics").body.decode()
    assert "made-up" not in figures
    assert "MADE" not in figures
    assert 'imtornado_http_request_seconds_count{route="/user/login",status="401"} 1.0' in figures
    assert 'imtornado_http_request_seconds_count{route="unknown",status="404"} 50.0' in figures
    for gauge in ("imtornado_sockets 0.0", "imtornado_database_calls", "imtornado_batches_total"):
        assert gauge in figures


def test_the_figures_tell_of_transactions_pools_and_batches(house: House) -> None:
    ada = house.person("Ada")
    ada.rows("/message/conversations")
    ada.data("/message/send", cmd=10, dstid=ada.user_id, content="note", cid="cid-1")
    figures = exchange(house.port, "GET", "/metrics").body.decode()
    for figure in (
        'imtornado_transaction_seconds_count{name="conversations.list"}',
        'imtornado_transaction_seconds_sum{name="batch"}',
        'imtornado_pool_busy{pool="database"}',
        'imtornado_pool_queue{pool="passwords"}',
        'imtornado_pool_refused_total{pool="files"}',
        'imtornado_pool_wait_seconds_count{pool="database"}',
        'imtornado_pool_work_seconds_sum{pool="database"}',
        'imtornado_batch_size_bucket{le="1.0"}',
        "imtornado_batch_seconds_sum",
        *(
            f'imtornado_cache_{figure}{{cache="{cache}"}}'
            for figure in ("entries", "hits_total", "misses_total")
            for cache in ("sessions", "rights", "conversations")
        ),
    ):
        assert f"{figure} " in figures


def test_the_documents_name_every_figure(house: House) -> None:
    told = exchange(house.port, "GET", "/metrics").body.decode()
    shown = re.findall(r"^# TYPE ((?:imtornado|process)_\w+) (?:counter|gauge|summary|histogram)$", told, re.MULTILINE)
    meanings = dict(re.findall(r"^# HELP (\w+) (.+)$", told, re.MULTILINE))
    named = re.findall(r"`((?:imtornado|process)_[a-z_]+)`", OPERATIONS.read_text(encoding="utf-8"))
    assert len(shown) > 25
    assert len(shown) == told.count("# TYPE ")
    assert sorted(set(named)) == sorted(shown)
    assert all(meanings[name] for name in shown)


def test_figures_carry_their_units_in_their_names(house: House) -> None:
    told = exchange(house.port, "GET", "/metrics").body.decode()
    kinds = re.findall(r"^# TYPE imtornado_(\w+) (\w+)$", told, re.MULTILINE)
    assert [name for name, kind in kinds if (kind == "counter") != name.endswith("_total")] == []
    assert [name for name, kind in kinds if kind == "summary" and not name.endswith("_seconds")] == []
