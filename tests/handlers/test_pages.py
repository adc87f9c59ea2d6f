"""The pages and the files of the built client, over a client that Vite might have built."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.routing import URLSpec

from handlers.pages import FORMER_PAGES, PAGES, Client, page_routes, read_client
from imtornado import config_sources as settings
from imtornado.app import Server
from imtornado.clock import Clock
from imtornado.paths import bundled
from storage.backends import open_store
from tests.fixtures.logs import ExpectLog

MANIFEST = {
    "src/main.ts": {
        "file": "app/main-AbCd_123.js",
        "isEntry": True,
        "css": ["app/main-AbCd_123.css"],
        "imports": ["_shared.js"],
        "dynamicImports": ["src/late.ts"],
    },
    "_shared.js": {"file": "app/shared-12345678.js", "css": ["app/shared-12345678.css"], "imports": ["src/main.ts"]},
    "src/late.ts": {"file": "app/late-87654321.js", "css": ["app/late-87654321.css"]},
}
Get = Callable[..., HTTPResponse]


def build(folder: Path) -> Path:
    """A folder `static` as Vite leaves it, with a secret beside it."""
    static = folder / "static"
    (static / ".vite").mkdir(parents=True)
    (static / ".vite" / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    (static / "app").mkdir()
    (static / "app" / "main-AbCd_123.js").write_text("export {}", encoding="utf-8")
    (static / "icon.svg").write_text("<svg/>", encoding="utf-8")
    (folder / "secret.txt").write_text("secret", encoding="utf-8")
    (static / "link.txt").symlink_to(folder / "secret.txt")
    return static


@pytest.fixture
def get(tmp_path: Path) -> Get:
    """get(path, header=value, …): the answer of a server with this client."""
    static = build(tmp_path)

    async def fetch(path: str, **headers: str) -> HTTPResponse:
        given = ("server.port=0", f"uploads.folder={tmp_path}/resource", "contacts.confirm=no")
        config = settings.load(environment={}, settings=given)
        server = Server(config, open_store(f"sqlite:///{tmp_path}/im.db", Clock()))
        await server.start()
        routes: list[Any] = [URLSpec(*route) for route in page_routes(server.context, static)]
        http = tornado.httpserver.HTTPServer(tornado.web.Application(routes, template_path=str(bundled("templates"))))
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        http.add_sockets(sockets)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}{path}"
        client = AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(url, headers=named, raise_error=False, follow_redirects=False)
        finally:
            client.close()
            http.stop()
            await http.close_all_connections()
            await server.stop()

    return lambda path, **headers: asyncio.run(fetch(path, **headers))


def test_the_manifest_tells_what_a_page_needs(tmp_path: Path) -> None:
    """Styles of what is loaded at once, not of what is loaded later; circles end."""
    client = read_client(build(tmp_path))
    assert client.scripts == ("/asset/app/main-AbCd_123.js",)
    assert sorted(client.styles) == ["/asset/app/main-AbCd_123.css", "/asset/app/shared-12345678.css"]


def test_what_is_not_built_is_no_client(tmp_path: Path) -> None:
    assert read_client(tmp_path) == Client()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_the_shell(get: Get, path: str) -> None:
    page = get(path, Accept_Language="zh-CN")
    assert page.code == 200
    text = page.body.decode()
    assert '<script type="module" src="/asset/app/main-AbCd_123.js"></script>' in text
    assert '<link rel="stylesheet" href="/asset/app/shared-12345678.css">' in text
    assert '<html lang="zh" data-registration="open" data-confirm="no">' in text
    assert page.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert page.headers["Cache-Control"] == "no-cache"
    policy = page.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "base-uri 'none'", "require-trusted-types-for 'script'"):
        assert rule in policy.split("; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize(("path", "to"), [*FORMER_PAGES.items(), ("/favicon.ico", "/asset/icon.svg")])
def test_the_originals_addresses_lead_to_ours(get: Get, path: str, to: str) -> None:
    moved = get(path)
    assert (moved.code, moved.headers["Location"]) == (302, to)


def test_files_with_a_hash_are_kept_for_ever_others_are_asked_for(get: Get) -> None:
    hashed = get("/asset/app/main-AbCd_123.js")
    assert (hashed.code, hashed.body) == (200, b"export {}")
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert hashed.headers["Content-Type"].startswith("text/javascript")
    icon = get("/asset/icon.svg")
    assert icon.headers["Cache-Control"] == "no-cache"
    assert get("/asset/icon.svg", If_None_Match=icon.headers["ETag"]).code == 304


@pytest.mark.parametrize(
    "path",
    [
        *("", "app", "app/", ".vite/manifest.json", ".vite", "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt"),
        *("app/../../secret.txt", "..\\secret.txt", "/etc/passwd", "//etc/passwd", "link.txt", "none.js", "x%00.js"),
        *("%ff", "x" * 300),
    ],
)
def test_nothing_else_is_given_out(get: Get, path: str, expect_log: ExpectLog) -> None:
    expect_log("tornado", "", optional=True)
    answer = get(f"/asset/{path}")
    assert answer.code in (400, 404)
    assert b"secret" not in answer.body
    assert b"root:" not in answer.body
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
