"""Raw events to books and records, exactly once."""
