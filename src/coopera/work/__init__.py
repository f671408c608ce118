"""Work that members do for the network, done and judged outside the books."""
