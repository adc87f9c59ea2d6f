"""The pages: one shell for all of them, and the files of the built web client."""

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import tornado.web

from handlers.base import Access, BaseHandler
from handlers.context import Context
from handlers.headers import PAGE_POLICY, page_policy, secure
from imtornado.config import Uploads
from imtornado.records import Record

ENTRY = "src/main.ts"
PAGES = ("/", "/login", "/register", "/join", "/password")
# The addresses of the original's pages, for bookmarks and old links.
FORMER_PAGES = {"/user/login.shtml": "/login", "/user/register.shtml": "/register", "/chat/index.shtml": "/"}
_HASHED_NAME = re.compile(r"app/.+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+")
YEAR_S = 31_536_000


class _Chunk(msgspec.Struct):
    """An entry of Vite's manifest; `imports` are keys of other entries."""

    file: str
    css: list[str] = []
    imports: list[str] = []


class Client(Record, frozen=True):
    """Addresses of the built web client's scripts and styles; no scripts: it has not been built."""

    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()


def read_client(static: Path) -> Client:
    """What Vite built, by its manifest. Read once, at the start of the server."""
    manifest = static / ".vite" / "manifest.json"
    if not manifest.is_file():
        return Client()
    chunks = msgspec.json.decode(manifest.read_bytes(), type=dict[str, _Chunk])
    if ENTRY not in chunks:
        return Client()
    styles: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [ENTRY]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in chunks:
            continue
        seen.add(name)
        styles.update(dict.fromkeys(chunks[name].css))
        waiting += chunks[name].imports
    return Client((f"/asset/{chunks[ENTRY].file}",), tuple(f"/asset/{style}" for style in styles))


class PageHandler(BaseHandler):
    """Any page: the client's router decides by the path what to show."""

    access = Access.PUBLIC

    def initialize(self, context: Context, client: Client = Client()) -> None:  # noqa: B008 (immutable)
        super().initialize(context)
        self._client = client

    def set_default_headers(self) -> None:
        secure(self, PAGE_POLICY)
        self.set_header("Cache-Control", "no-cache")

    async def get(self) -> None:
        if not self._client.scripts:
            self.set_status(503)
            self.render("unbuilt.html", lang=self.language)
            return
        self.set_header("Content-Security-Policy", page_policy(files_from(self.context.config.uploads)))
        self.render(
            "app.html",
            lang=self.language,
            registration=await self.call(self.context.accounts.registration),
            confirm="yes" if self.context.config.contacts.confirm else "no",
            scripts=self._client.scripts,
            styles=self._client.styles,
        )

    head = get


def files_from(uploads: Uploads) -> str:
    """Origins other than ours from which pages get files; "" where there are none."""
    origins = [uploads.base_url]
    if uploads.presigned:
        origins.append(uploads.s3_endpoint or f"https://s3.{uploads.s3_region}.amazonaws.com")
    return " ".join(origin for origin in origins if origin)


class MovedHandler(BaseHandler):
    """Leads from an address of the original, or one that browsers ask for by themselves, to ours."""

    access = Access.PUBLIC

    def initialize(self, context: Context, to: str = "/") -> None:
        super().initialize(context)
        self._to = to

    def get(self) -> None:
        self.redirect(self._to)

    head = get


class AssetHandler(BaseHandler, tornado.web.StaticFileHandler):
    """The built client's files. A name with a hash in it never changes its content."""

    access = Access.PUBLIC
    counted_as = "/asset/"

    def initialize(self, context: Context, path: str = "") -> None:  # type: ignore[override]
        BaseHandler.initialize(self, context)
        tornado.web.StaticFileHandler.initialize(self, path)

    def set_default_headers(self) -> None:
        secure(self, PAGE_POLICY)

    def set_extra_headers(self, path: str) -> None:
        hashed = _HASHED_NAME.fullmatch(path)
        self.set_header("Cache-Control", f"public, max-age={YEAR_S}, immutable" if hashed else "no-cache")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Files only: no folder, nothing hidden, nothing outside; all the same 404."""
        parts = Path(absolute_path).parts[len(Path(root).parts) :]
        # os.path, unlike Path, answers False for names that are too long to exist
        if any(part.startswith(".") for part in parts) or not os.path.isfile(absolute_path):  # noqa: PTH113
            raise tornado.web.HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)

    def compute_etag(self) -> str | None:
        return tornado.web.StaticFileHandler.compute_etag(self)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        super().write_error(404 if status_code == 403 else status_code, **kwargs)


def page_routes(context: Context, static: Path) -> list[tuple[str, type[tornado.web.RequestHandler], dict[str, Any]]]:
    """The pages' part of the route table, with what was built of the client into the folder `static`."""
    client = read_client(static)
    moved = FORMER_PAGES | {"/favicon.ico": "/asset/icon.svg"}
    return [
        *((path, PageHandler, {"context": context, "client": client}) for path in PAGES),
        *((path, MovedHandler, {"context": context, "to": to}) for path, to in moved.items()),
        (r"/asset/(.*)", AssetHandler, {"context": context, "path": str(static)}),
    ]
