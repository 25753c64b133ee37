"""What a worker answers with: loaded, checked, switched and watched.

`host.py` has the versions that are loaded; `following.py` has it answer with what the
rows ask for, beside the frames, in threads of `repeating.py`. It loads by `beside.py`
(`loading`, `rehearsal`, `golden`), changes over by `activating.py` (`company`,
`switching`), and a new version's `first_minute` is watched. What versions are at just
now is in `passes`; `watchdog` ends what has no end.
"""
