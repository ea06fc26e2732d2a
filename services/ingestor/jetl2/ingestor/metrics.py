"""What the ingestor counts; one label, the exchange."""

from jetl2.runtime.metrics import counter, gauge, histogram

_EXCHANGE = ("exchange",)

frames = counter("jetl2_ingestor_frames", "Frames received.", _EXCHANGE)
size = counter("jetl2_ingestor_received_bytes", "Payload received.", _EXCHANGE)
unclassified = counter(
    "jetl2_ingestor_unclassified_frames", "Frames that named no address; kept verbatim.", _EXCHANGE
)
refusals = counter(
    "jetl2_ingestor_refusals", "Errors that the exchange answered to our requests.", _EXCHANGE
)
retries = counter(
    "jetl2_ingestor_retries",
    "Times that what was refused or did not come was asked for again.",
    _EXCHANGE,
)
gaps = counter("jetl2_ingestor_gaps", "Jumps seen in the counter of a whole connection.", _EXCHANGE)
lost = counter(
    "jetl2_ingestor_lost_frames", "Frames received but not kept, each noted as lost.", _EXCHANGE
)
connects = counter("jetl2_ingestor_connects", "Connections made.", _EXCHANGE)
reconnects = counter("jetl2_ingestor_reconnects", "Connections that ended unasked.", _EXCHANGE)
connections = gauge("jetl2_ingestor_connections", "Connections open now.", _EXCHANGE)
staleness = gauge(
    "jetl2_ingestor_staleness_seconds",
    "Since the last frame, of the quietest connection.",
    _EXCHANGE,
)
books_missing = gauge(
    "jetl2_ingestor_books_missing", "Books that have not come in the time they should.", _EXCHANGE
)
unresolved = gauge(
    "jetl2_ingestor_unresolved_entries", "Wanted symbols or patterns that gave nothing.", _EXCHANGE
)
resyncs = counter(
    "jetl2_ingestor_resyncs",
    "Resyncs asked for by the merger, by what was done.",
    ("exchange", "how"),
)
rest_requests = counter(
    "jetl2_ingestor_rest_requests",
    "REST requests, by HTTP status or error.",
    ("exchange", "status"),
)
snapshot_seconds = histogram(
    "jetl2_ingestor_snapshot_seconds", "From asking for a REST snapshot to its body.", _EXCHANGE
)
clock_ahead = gauge(
    "jetl2_ingestor_clock_ahead_seconds",
    "How far local_ts is ahead of a wall clock that was set back; halves its pace until it is not.",
)
buffer_messages = gauge("jetl2_ingestor_buffer_messages", "Records that Kafka has not taken yet.")
buffer_bytes = gauge("jetl2_ingestor_buffer_bytes", "The same in bytes.")
buffer_latency = gauge(
    "jetl2_ingestor_buffer_latency_seconds", "99th percentile of a record's wait to be sent."
)
produce_latency = gauge(
    "jetl2_ingestor_produce_latency_seconds", "99th percentile of the broker's answer time."
)
undelivered = counter(
    "jetl2_ingestor_undelivered_records",
    "Records that Kafka refused, each noted as lost.",
    _EXCHANGE,
)
