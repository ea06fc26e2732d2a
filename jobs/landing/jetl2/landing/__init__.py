"""Kafka to Parquet on S3, each row once."""
