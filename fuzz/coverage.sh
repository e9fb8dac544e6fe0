#!/usr/bin/env bash
# Cargo's wrapper around rustc for the crates of this workspace: it adds what tells libFuzzer which code has run. Dependencies are built
# without it, so that burn is not compiled a second time.
rustc=$1
shift
exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
