"""What differs from one exchange to the next; pure."""
