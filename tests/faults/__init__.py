"""What network and service do at their worst, what memory it costs, and what one stream does to the others."""
