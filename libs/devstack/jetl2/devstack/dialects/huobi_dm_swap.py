"""HTX perpetuals settled in coins, at /swap-ws and /swap-notification."""

from jetl2.devstack import contract_topics
from jetl2.devstack.market import Listing

LISTINGS = (
    Listing("BTC-USD", "BTC", "USD", 1, 0, 650_000),
    Listing("ETH-USD", "ETH", "USD", 2, 0, 191_000),
)

DIALECT = contract_topics.dialect("swap", LISTINGS, exchange="huobi-dm-swap")
