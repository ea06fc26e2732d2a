"""Exchange feeds to Kafka, verbatim."""
