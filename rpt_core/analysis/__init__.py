"""Reading results: intervals, scaling curves, reasoning patterns. numpy and scipy only."""
