"""How well a version answers pictures that it has never seen.

`job.py` finds out, in a process of its own, for it loads networks. `evaluations.py`
asks for that and reads what came of it, `comparing` and `gates` judge by it: rows
alone.
"""
