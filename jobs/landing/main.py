"""What spark-submit starts: it takes a file, and the job lives in its package."""

from jetl2.landing.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
