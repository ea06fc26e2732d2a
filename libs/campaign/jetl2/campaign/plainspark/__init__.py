"""Landing without Spark: a folder for PYTHONPATH, whose `pyspark` starts in no time.

A run under Spark takes ten seconds before it does anything that a fault could hit. Here the same
built driver, with the same `main.py`, finds another pyspark; everything but the reading of Kafka is
the product's.
"""
