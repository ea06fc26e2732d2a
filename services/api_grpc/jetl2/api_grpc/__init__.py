"""Exports, catalog and coverage over gRPC."""
