"""HTX perpetuals settled in USDT, at /linear-swap-ws and /linear-swap-notification."""

from jetl2.devstack import contract_topics
from jetl2.devstack.market import Listing

LISTINGS = (
    Listing("BTC-USDT", "BTC", "USDT", 1, 0, 650_000),
    Listing("ETH-USDT", "ETH", "USDT", 2, 0, 191_000),
)

DIALECT = contract_topics.dialect("linear-swap", LISTINGS, exchange="huobi-dm-linear-swap")
