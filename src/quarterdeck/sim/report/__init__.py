"""What runs of the simulator were like, for people: sentences, tables and plots in one page."""
