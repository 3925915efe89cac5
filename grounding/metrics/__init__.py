"""Metrics: truth and answer in, figures out; no model, no files. One file a way of scoring."""
