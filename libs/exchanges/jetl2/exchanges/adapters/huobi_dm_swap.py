"""HTX (Huobi) perpetuals settled in coins: books and trades at /swap-ws, events at /swap-notification.

Sizes are numbers of contracts, each worth a fixed amount of USD. All else is in `contract_topics`.
"""

from jetl2.exchanges import contract_topics

EXCHANGE = contract_topics.exchange(
    "swap",
    name="huobi-dm-swap",
    family="htx",
    markets=("inverse",),
    docs="https://huobiapi.github.io/docs/coin_margined_swap/v1/en/ (v1, read 2026-11-23)",
)
