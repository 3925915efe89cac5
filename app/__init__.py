"""The web demo: click and ask a picture. A program of the clone, run as `python -m app`; nothing imports it."""
