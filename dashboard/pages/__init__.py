"""What stands on each page, made of the same views that the command line prints. A page is a few sections."""
