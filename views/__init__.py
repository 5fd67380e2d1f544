"""What a person is shown, as typed values from the journal, and in words: the command line prints them."""
