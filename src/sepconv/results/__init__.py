"""What runs and measurements left: the records, and the folder that holds them."""
