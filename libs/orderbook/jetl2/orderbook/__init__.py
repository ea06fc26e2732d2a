"""Order books: exact levels, sequence rules and checksums; pure, no clock, no I/O."""
