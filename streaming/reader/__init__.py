"""Reading a stream downstream: shard by shard, in order, each event once, with checkpoints."""
