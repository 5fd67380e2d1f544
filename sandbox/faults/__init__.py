"""What goes wrong: plans of faults, and the engine that lets them happen to a running sandbox."""
