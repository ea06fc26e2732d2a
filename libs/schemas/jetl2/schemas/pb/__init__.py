"""Generated from ../proto by `python libs/schemas/tests/test_protos.py`; never edited."""
