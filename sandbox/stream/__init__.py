"""The WebSocket interface: sessions, what they ask for, and the frames they are sent."""
