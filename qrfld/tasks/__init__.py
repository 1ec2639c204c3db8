"""Tasks: what is learned, from which data, and the process that learns it.

`base` is the interface a user implements, `loader` finds a task by name or file, `settings` and
`partition` help to write one, `digits` (with `learners` and `convolution`) is the built-in one.
`worker` is the training process, `pool` the daemon's side of it; `jobs` is what they say to each
other. Task code runs in the worker only.
"""
