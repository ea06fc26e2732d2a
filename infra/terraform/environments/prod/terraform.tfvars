region = "eu-central-1"
zones  = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
prefix = "jetl2-prod"
nat    = "per_zone"

exchanges = [
  "binance", "binance-delivery", "binance-futures", "binance-us", "bitfinex", "bitget", "bitmex",
  "bitstamp", "bybit", "bybit-spot", "coinbase", "crypto-com", "cryptofacilities", "deribit", "dydx-v4",
  "gate-io", "gemini", "hitbtc", "huobi", "hyperliquid", "kraken", "kucoin", "mexc", "okex", "phemex",
  "poloniex", "upbit",
]
# Never changed: it says which symbol lies where
partitions            = 12
brokers               = 6
broker_type           = "kafka.m7g.xlarge"
broker_storage_gb     = 1000
broker_storage_max_gb = 6000

download_days = 30
force_destroy = false

emr_release     = "emr-spark-8.0.0"
landing_minutes = 15
job_versions    = { landing = "0.1.0", export = "0.1.0" }
landing_jars = [
  "spark-sql-kafka-0-10_2.13-4.0.1.jar",
  "spark-token-provider-kafka-0-10_2.13-4.0.0.jar",
  "kafka-clients-3.9.0.jar",
  "commons-pool2-2.12.0.jar",
  "aws-msk-iam-auth-all.jar",
]
job_cpu = 64

node_types         = ["m7i.2xlarge", "m6i.2xlarge"]
nodes_per_zone     = 2
nodes_per_zone_max = 6

# OWNER/NAME, where releases are published by GitHub: release_repository = "..."

# Whoever applies puts in who administers and who hears of alarms
admin_role_arns = ["arn:aws:iam::000000000000:role/admin"]
alarm_emails    = ["operator@example.com"]
budget_usd      = 14000
