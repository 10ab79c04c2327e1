"""Numbers made by the 2021 code itself, compared with what this package computes.

`python -m vsim_tf.golden DIR` checks a folder. A golden file is a `golden_*.json` (configuration, names, sizes)
next to a `golden_*.npz`: `in/` inputs, `w/` weights, and as results `out/`, `after_<step>/` weights, `grad_step1/`.
Sizes are read from the file, never assumed.
"""
