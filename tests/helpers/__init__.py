"""What tests share: desks to trade at, hand-made parts, scripted exchanges, and the tables of the documents."""
