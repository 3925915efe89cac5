"""`python -m app`: the web demo."""

from .program import main

if __name__ == "__main__":
    raise SystemExit(main())
