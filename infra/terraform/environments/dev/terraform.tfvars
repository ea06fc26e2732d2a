region = "eu-central-1"
zones  = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
prefix = "jetl2-dev"
nat    = "single"

exchanges = ["binance", "kraken"]
# Never changed: it says which symbol lies where
partitions            = 12
brokers               = 3
broker_type           = "kafka.m7g.large"
broker_storage_gb     = 50
broker_storage_max_gb = 200

download_days = 7
# Nothing here is worth keeping
force_destroy = true

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
job_cpu = 16

node_types         = ["m7i.large", "m6i.large"]
nodes_per_zone     = 1
nodes_per_zone_max = 2

# OWNER/NAME, where releases are published by GitHub: release_repository = "..."

# Whoever applies puts in who administers and who hears of alarms
admin_role_arns = ["arn:aws:iam::000000000000:role/admin"]
alarm_emails    = ["operator@example.com"]
budget_usd      = 1500
