"""Raw events in, market records out, exactly once: books, sequence, checksum, gaps."""
