"""What operators and their tools ask: is it alive, may it get traffic, how is it doing."""

import asyncio

from handlers import caller
from handlers.base import Access, BaseHandler
from imtornado.errors import Busy, NotAllowed

DATABASE_ANSWERS_WITHIN_S = 2.0


class HealthHandler(BaseHandler):
    """The process answers. Says nothing of the database, so that nobody restarts a server for it."""

    access = Access.PUBLIC

    def get(self) -> None:
        self.reply("alive")


class ReadyHandler(BaseHandler):
    """200 while it should get traffic: the database answers and no shutdown has begun."""

    access = Access.PUBLIC

    async def get(self) -> None:
        if self.context.is_draining():
            raise Busy("The server is shutting down.", retry_after_ms=5000)
        try:
            async with asyncio.timeout(DATABASE_ANSWERS_WITHIN_S):
                await self.call(self.context.check_storage)
        except TimeoutError as error:
            raise Busy("The database does not answer.", retry_after_ms=5000) from error
        unsafe = self.context.config.storage.unsafe_durability
        self.reply("ready", durability="weakened by storage.unsafe_durability" if unsafe else "full")


class MetricsHandler(BaseHandler):
    """For a Prometheus on this machine, or with the bearer token of an administrator."""

    access = Access.PUBLIC

    async def get(self) -> None:
        if not caller.is_local(self.request):
            await self.identify()
            if not self.user.is_admin:
                raise NotAllowed("Only an administrator may do this.")
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.context.metrics.exposition())
