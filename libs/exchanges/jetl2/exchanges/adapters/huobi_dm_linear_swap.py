"""HTX (Huobi) perpetuals and futures settled in USDT: books and trades at /linear-swap-ws.

Sizes are numbers of contracts, each worth a fixed amount of the coin. Events come at
/linear-swap-notification. All else is in `contract_topics`.
"""

from jetl2.exchanges import contract_topics

EXCHANGE = contract_topics.exchange(
    "linear-swap",
    # without it only perpetuals are listed
    query="?business_type=all",
    name="huobi-dm-linear-swap",
    family="htx",
    markets=("linear",),
    docs="https://huobiapi.github.io/docs/usdt_swap/v1/en/ (v1, read 2026-11-23)",
)
