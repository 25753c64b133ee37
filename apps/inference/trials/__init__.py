"""A challenger beside the version that a deployment runs, as a shadow or as a canary.

Pure: `assignment` (whose turn it is), `agreement` (how alike two answers are),
`figures` (how they add up), `watching` (when a canary has to stop). `services` writes
the rows. `tally` counts in the worker that answers, `relay` passes frames on from
there, and `shadowing` and `answerer` are the two processes that answer them again.
"""
