"""What an exchange can say that is not, or not yet, or no more true."""
