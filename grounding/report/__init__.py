"""The report: one HTML file with the figures of some predictions, charts, and the answers on their pictures."""

from grounding.report.writing import Report, write_report

__all__ = ["Report", "write_report"]
