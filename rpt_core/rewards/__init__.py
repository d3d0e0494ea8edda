"""What responses earn, and how answers are checked.

Loads nothing by itself: `math_answers` is a process of its own that must start fast.
"""
