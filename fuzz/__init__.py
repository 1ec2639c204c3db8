"""Coverage-guided fuzzing: one file a target, one invariant a target.

A target is a module in `fuzz/targets/` with a docstring that begins with its invariant and two
functions: ``check(data)``, which takes any bytes and raises when the invariant does not hold, and
``seeds()``, from which its corpus began. No target knows what calls it:

* ``python -m fuzz`` (``make fuzz``) drives all of them with atheris, which mutates the corpus
  towards code that no input has reached (`campaign`, `engine`);
* ``tests/fuzz/test_corpus.py`` replays the committed corpus in plain Python on every test run;
* ``python -m fuzz.replay TARGET FILE`` shows what one input does.

An input is never a recorded handshake or record, whose keys would be gone: it is a script of steps
(`script`) that are taken on live connections, so that it means the same every time.
"""
