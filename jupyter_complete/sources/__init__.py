"""Where weights come from: names, the cache, the package index, the hub. Nothing here reads a weight."""
