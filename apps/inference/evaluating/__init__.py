"""Finds out how well a version answers pictures that it has never seen.

For a process of its own: it loads networks. What came of it, `evaluations.py` reads.
"""
