"""Reading a stream downstream: every shard, in order, deduplicated, with checkpoints."""
