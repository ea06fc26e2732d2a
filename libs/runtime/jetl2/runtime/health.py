"""Liveness, readiness and metrics over one small HTTP server on a thread of its own."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jetl2.runtime import log, metrics

_log = log.get()

# A main loop that has not turned for this long hangs; above any wait for a broker inside it
BEAT_WITHIN_S = 60.0


class Health:
    """What the process says of itself: does its loop turn, and is it fit for work.

    Liveness says nothing of Kafka or of an exchange: a broker's outage must not restart everything.
    """

    def __init__(
        self, beat_within_s: float = BEAT_WITHIN_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin alive and not ready."""
        self._beat_within_s = beat_within_s
        self._clock = clock
        self._beat = clock()
        self._waiting_for: dict[str, str] = {"start": "starting"}

    def beat(self) -> None:
        """Say that the main loop has turned; to be called at least every few seconds."""
        self._beat = self._clock()

    def ready(self, part: str = "start") -> None:
        """Say that nothing of this part is missing any more."""
        self._waiting_for.pop(part, None)

    def not_ready(self, part: str, reason: str) -> None:
        """Say what is missing before this part does its work."""
        self._waiting_for[part] = reason

    def live(self) -> tuple[bool, str]:
        """Return whether the loop turns, and since when it has not."""
        age_s = self._clock() - self._beat
        return age_s <= self._beat_within_s, f"main loop turned {age_s:.1f} s ago"

    def fit(self) -> tuple[bool, str]:
        """Return whether the process is ready, and what it waits for."""
        waiting = dict(self._waiting_for)
        return not waiting, "; ".join(f"{k}: {v}" for k, v in sorted(waiting.items())) or "ready"


class Server:
    """Serves /healthz, /readyz and /metrics until closed; `port` is the one really taken."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        """Listen at once."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self, health)

            def log_message(self, *_: object) -> None:
                """Probes come every few seconds: nobody wants them in the log."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="health", daemon=True
        )
        self._thread.start()
        _log.info("http_listening", host=host, port=self.port)

    def close(self) -> None:
        """Stop listening; returns when the thread has ended."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(health: Health, host: str, port: int) -> Server:
    """Return a running server.

    Raises:
        OSError: The port is taken or may not be opened.
    """
    return Server(health, host, port)


def answer(request: BaseHTTPRequestHandler, health: Health) -> None:
    """Answer one GET request."""
    kind = "text/plain; charset=utf-8"
    match request.path.partition("?")[0]:
        case "/healthz":
            good, text = health.live()
        case "/readyz":
            good, text = health.fit()
        case "/metrics":
            kind, body = metrics.page()
            _send(request, 200, kind, body)
            return
        case _:
            _send(request, 404, kind, b"/healthz, /readyz or /metrics\n")
            return
    _send(request, 200 if good else 503, kind, f"{text}\n".encode())


def _send(request: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
