"""As much of pyspark as landing's driver uses."""
