"""Pictures for probes: drawn with known answers, each difficulty under control. probes.py opens them.

stage -> clutter, small_text, spatial, ordinals      one file a probe; `plan(seed)` says what is asked and paints it
"""
