"""Requests within an exchange's allowance: waits its turn, and as long as the exchange tells it to."""

import asyncio
import random
import time
from collections.abc import Callable
from http import HTTPStatus

import httpx

from jetl2.ingestor import metrics, plan
from jetl2.ingestor.budget import Budget
from jetl2.ingestor.errors import RefusedError
from jetl2.ingestor.transport import throttle
from jetl2.ingestor.transport.websocket import is_loopback
from jetl2.runtime import log

TIMEOUT_S = 20
AT_ONCE = 4
# Beside the server's own failures, 500 and above
_RETRIED = frozenset({408, 418, 425, 429})
_SERVER_ERROR = 500

_log = log.get()


class Rest:
    """Requests to one exchange; all share its allowance."""

    def __init__(
        self,
        exchange: str,
        weight_per_minute: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
        backoff_s: float = 0.5,
    ) -> None:
        """Open nothing yet; a client is made with the first request of each kind of host."""
        self.weight_per_minute = weight_per_minute
        self._exchange = exchange
        self._budget = Budget(weight_per_minute, clock)
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        self._backoff_s = backoff_s
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def get(
        self, url: str, weight: float = 1, *, attempts: int = 0, post: str | None = None
    ) -> bytes:
        """Return the body of a successful answer, as often as it takes.

        Args:
            post: JSON to send by POST, "" for a POST without a body; None is a GET.
            attempts: Give up after so many failures; 0 never does.

        Raises:
            RefusedError: The exchange does not answer this request (400, 404 ...), or it failed
                `attempts` times.
        """
        failed = 0
        while True:
            async with self._turn:
                await self._budget.spend(weight)
                problem = await self._try(url, post)
            if isinstance(problem, bytes):
                return problem
            failed += 1
            if failed == attempts:
                raise RefusedError(problem)
            wait_s = plan.backoff_s(failed - 1, self._backoff_s, 30, self._chance)
            _log.warning(
                "rest_failed",
                exchange=self._exchange,
                url=url,
                problem=problem,
                attempt=failed,
                wait_s=round(wait_s, 2),
            )
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    async def _try(self, url: str, post: str | None) -> bytes | str:
        client = self._client(url)
        headers = {"Content-Type": "application/json"} if post else {}
        try:
            if post is None:
                answer = await client.get(url)
            else:
                answer = await client.post(url, content=post, headers=headers)
        except httpx.HTTPError as error:
            metrics.rest_requests.labels(self._exchange, type(error).__name__).inc()
            return f"{type(error).__name__}: {error}"
        status = answer.status_code
        metrics.rest_requests.labels(self._exchange, str(status)).inc()
        if status == HTTPStatus.OK:
            return answer.content
        problem = f"HTTP {status}: {answer.text[:200]}"
        if wait_s := throttle.wait_s(status, answer.headers):
            # All requests wait: each one more makes the ban longer
            self._budget.pause(wait_s)
            _log.warning("rest_throttled", exchange=self._exchange, status=status, wait_s=wait_s)
        if status in _RETRIED or status >= _SERVER_ERROR:
            return problem
        raise RefusedError(problem)

    def _client(self, url: str) -> httpx.AsyncClient:
        direct = is_loopback(url)
        if direct not in self._clients:
            self._clients[direct] = httpx.AsyncClient(
                timeout=TIMEOUT_S, trust_env=not direct, follow_redirects=True
            )
        return self._clients[direct]
