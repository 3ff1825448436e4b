"""Makes the text and the stream name of a record, on the thread that logs it. No I/O, no thread of its own."""
