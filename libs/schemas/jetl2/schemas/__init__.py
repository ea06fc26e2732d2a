"""The contract between packages: records, topics, wire forms, lake layout."""
