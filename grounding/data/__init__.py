"""Data: samples, datasets and drawn scenes."""
