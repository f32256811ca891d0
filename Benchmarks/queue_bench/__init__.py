"""`make bench-queue`: Millrace's queue beside Celery, Dramatiq and SAQ, and beside what the machine can do."""
