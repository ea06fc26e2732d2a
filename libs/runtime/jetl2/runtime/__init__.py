"""What every long-running service shares: settings, log, metrics, health, shutdown, Kafka."""
