"""Training a registered version further, on a dataset of the team's own.

`plan.py` is what was asked for and may be imported by the web process; `job.py` does
it, in a process of its own.
"""
