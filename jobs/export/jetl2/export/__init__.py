"""Parquet on S3 to the files that a client asked for."""
