"""Speed and memory beside the peers, each figure a ratio measured in one run on the same work."""
