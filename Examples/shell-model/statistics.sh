#!/bin/sh
# Counts the lines and words of a text file: what is said on standard output is the job's result, on standard error its log.
set -eu

if ! [ -s "$1" ]; then
    echo "the file is empty" >&2
    exit 1
fi
echo "counting with awk" >&2
awk -F "${MILLRACE_PARAM_SEPARATOR:- }" '
    { words += NF; if (length($0) > longest) longest = length($0) }
    END { printf "{\"lines\": %d, \"words\": %d, \"longest\": %d}\n", NR, words, longest }
' "$1"
