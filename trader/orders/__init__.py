"""One order, exactly once: what an answer proves, how it is carried out, named, planned, allowed and sized."""
