"""The connection doctor: what keeps cameras from being answered, and what helps.

Each examination looks at one thing and ends in a `Finding`, in words for people. It
changes nothing, and nothing of the way of a frame knows it.
"""
