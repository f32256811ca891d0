"""`dev/bench-ocr`: reading scanned pages, beside rapidocr with the same networks, and through a server under load."""
