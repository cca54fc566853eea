"""Benchmarks: this package against its peers, alternating in one run.  See README.md."""
