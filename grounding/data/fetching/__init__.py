"""Published data sets, fetched: what there is and where (catalog), one file (download), an archive (unpack), a set."""
