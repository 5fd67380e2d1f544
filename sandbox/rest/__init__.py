"""The REST interface: from a request to an answer."""
