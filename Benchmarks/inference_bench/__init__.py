"""`dev/bench-inference`: Millrace's inference beside bare Python loops, LitServe, and what the machine can do."""
