"""The tape: what an exchange sent, frame by frame, kept on disk exactly as it came; read, checked and exported."""
