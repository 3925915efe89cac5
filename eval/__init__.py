"""Evaluation programs of a clone, one protocol a file: `python -m eval.coco --help`."""
