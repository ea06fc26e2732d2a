"""Wires the ingestor: Kafka, the feed of each exchange, requests, health; and its end."""

import asyncio
from collections.abc import Sequence

from jetl2.exchanges import adapters
from jetl2.ingestor import clock, control, listing, metrics
from jetl2.ingestor.errors import ProducerError
from jetl2.ingestor.feed import Feed
from jetl2.ingestor.settings import PREFIX, Settings
from jetl2.ingestor.sink import KafkaSink
from jetl2.ingestor.wanted import Wanted
from jetl2.runtime import health, kafka, lifecycle, log
from jetl2.runtime.settings import refuse
from jetl2.schemas import topics
from jetl2.schemas.records import Resync

MEASURE_S = 1

_log = log.get()


async def run(settings: Settings, stop: asyncio.Event) -> int:
    """Receive until `stop` is set; return the exit code."""
    state = health.Health()
    try:
        server = health.serve(state, settings.http_host, settings.http_port)
    except OSError as error:
        refuse(f"{PREFIX}HTTP_PORT", f"cannot listen: {error.strerror}", "0")
    try:
        return await _run(settings, stop, state)
    finally:
        server.close()


async def _run(settings: Settings, stop: asyncio.Event, state: health.Health) -> int:
    exchanges = [adapters.get(name) for name in settings.subscriptions]
    state.not_ready("kafka", "no broker has answered")
    beating = asyncio.create_task(_beat(state))
    try:
        # A ban is of the address: what one part is told, the other must heed
        rests = {exchange.name: listing.rest_of(exchange) for exchange in exchanges}
        wanted = [Wanted(settings, exchange, rests[exchange.name]) for exchange in exchanges]
        found, _ = await asyncio.gather(
            asyncio.to_thread(_prepare, settings, stop),
            asyncio.gather(*(each.look() for each in wanted)),
        )
    except kafka.Unavailable:
        return lifecycle.EXIT_OK
    finally:
        beating.cancel()
    for topic, count in found.items():
        if count != settings.partitions:
            # The merger takes partition k of all topics together: counts must agree
            refuse(f"{PREFIX}PARTITIONS", f"topic {topic} has {count} partitions", str(count))
    if settings.shards == 1 and all(each.known and not each.taken for each in wanted):
        variable = f"{PREFIX}FEEDS" if settings.feeds else f"{PREFIX}SUBSCRIPTIONS"
        refuse(variable, "no symbol of it is listed, see above")
    partitions = dict.fromkeys(settings.subscriptions, settings.partitions)
    state.ready("kafka")
    sink = KafkaSink(settings, partitions)
    feeds = {
        exchange.name: Feed(
            exchange,
            settings.subscriptions[exchange.name],
            settings,
            sink=sink,
            health=state,
            rest=rests[exchange.name],
        )
        for exchange in exchanges
    }

    def resync(request: Resync) -> None:
        if request.exchange in feeds:
            feeds[request.exchange].asked(request)

    tasks: list[asyncio.Future[None]] = [
        asyncio.create_task(feeds[each.exchange.name].run(each.taken)) for each in wanted
    ]
    tasks += [
        *(asyncio.create_task(_follow(each, feeds[each.exchange.name])) for each in wanted),
        asyncio.create_task(control.follow(settings.bootstrap_servers, partitions, resync)),
        asyncio.create_task(_measure(state, list(feeds.values()))),
    ]
    stopping = asyncio.create_task(_stopped(stop))
    state.ready()
    code = lifecycle.EXIT_OK
    try:
        done, _ = await asyncio.wait(
            {stopping, sink.failed, *tasks}, return_when=asyncio.FIRST_COMPLETED
        )
        for ended in done - {stopping}:
            error = ended.exception()
            _log.error("stopping_by_error", exc_info=error)
            in_doubt = isinstance(error, ProducerError)
            code = lifecycle.EXIT_IN_DOUBT if in_doubt else lifecycle.EXIT_FAILED
    finally:
        for task in (stopping, *tasks):
            task.cancel()
        await asyncio.gather(stopping, *tasks, return_exceptions=True)
        left = await sink.close(settings.drain_s)
    if left:
        _log.error("drain_incomplete", records=left, drain_s=settings.drain_s)
        return code or lifecycle.EXIT_FAILED
    _log.info("drained")
    return code


def _prepare(settings: Settings, stop: asyncio.Event) -> dict[str, int]:
    """Wait for Kafka, make missing topics; return topic -> partitions."""
    kafka.wait(settings.bootstrap_servers, stopped=stop.is_set)
    wanted = {
        topic(exchange): settings.partitions
        for exchange in settings.subscriptions
        for topic in (topics.raw, topics.control)
    }
    return kafka.ensure_topics(settings.bootstrap_servers, wanted, replication=settings.replication)


async def _follow(wanted: Wanted, feed: Feed) -> None:
    """Take what is listed later, until cancelled."""
    await wanted.follow(feed.add)
    await asyncio.Event().wait()


async def _stopped(stop: asyncio.Event) -> None:
    await stop.wait()


async def _beat(state: health.Health) -> None:
    while True:
        state.beat()
        await asyncio.sleep(MEASURE_S)


async def _measure(state: health.Health, feeds: Sequence[Feed]) -> None:
    while True:
        state.beat()
        for feed in feeds:
            feed.measure()
        metrics.clock_ahead.set(clock.ahead_s())
        await asyncio.sleep(MEASURE_S)
