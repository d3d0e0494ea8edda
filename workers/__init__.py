"""The bridge: tasks wake a runner, the runner starts a stage and follows it, the reaper looks after what got stuck."""
