"""Benchmarks, each side by side with what it is compared to, each one command: `python -m bench.NAME`."""
