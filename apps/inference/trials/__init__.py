"""A challenger beside the version that a deployment runs, as a shadow or as a canary.

Pure: `assignment` (whose turn it is), `agreement` (how alike two answers are),
`figures` (how they add up), `watching` (when a canary has to stop). Rows: `services`
and `ending`. In the worker that answers: `trying` (follows what is tried), `canary`
and `passing`, which hands frames to shadows over `relay`. `shadowing` is the process of
the queue `shadow`, `answerer` the one that has a shadow's challenger.
"""
