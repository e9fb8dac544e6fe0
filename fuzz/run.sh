#!/usr/bin/env bash
# Fuzzes for so many seconds each of these targets, or all: fuzz/run.sh [SECONDS] [TARGET...]
# New inputs that reach new code gather in fuzz/found/TARGET; what fails lies in fuzz/faults. `fuzz/run.sh minimise` brings the found ones
# down to the fewest, in fuzz/smallest. JOBS is how many targets run at once. Needs a C++ compiler, and no nightly toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_INCREMENTAL=0 RUST_BACKTRACE="${RUST_BACKTRACE:-1}"

# Only the crates of the workspace are instrumented, so that those they build on, burn among them, are the ones that tests use.
RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/coverage.sh cargo build --workspace --features sae-fuzz/libfuzzer --bin fuzz --locked
fuzz=${CARGO_TARGET_DIR:-target}/debug/fuzz

minimise=
[ "${1:-}" != minimise ] || { minimise=1 && shift; }
seconds=60
if [ -z "$minimise" ] && [ $# -gt 0 ]; then seconds=$1 && shift; fi
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(ls fuzz/corpus)

one() {
  local target=$1
  export TARGET=$target
  mkdir -p "fuzz/found/$target" "fuzz/faults/$target"
  if [ -n "$minimise" ]; then
    rm -rf "fuzz/smallest/$target" && mkdir -p "fuzz/smallest/$target"
    "$fuzz" -merge=1 "fuzz/smallest/$target" "fuzz/corpus/$target" "fuzz/found/$target" >"fuzz/found/$target.log" 2>&1
    echo "$target: $(ls "fuzz/smallest/$target" | wc -l) inputs"
    return
  fi
  local words=()
  [ ! -e "fuzz/words/$target" ] || words=("-dict=fuzz/words/$target")
  # -timeout: longer than a second is a hang. -rss_limit_mb: of the whole process; each input's own memory is counted by its allocator.
  "$fuzz" "${words[@]}" -max_total_time="$seconds" -timeout="${TIMEOUT:-1}" -rss_limit_mb=4096 -max_len=8192 -use_value_profile=0 \
    -print_final_stats=1 -artifact_prefix="fuzz/faults/$target/" "fuzz/found/$target" "fuzz/corpus/$target" >"fuzz/found/$target.log" 2>&1 \
    || echo "$target: a fault, see fuzz/found/$target.log"
  awk -v target="$target" '/number_of_executed_units/ { n = $2 } /cov:/ { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
    /average_exec_per_sec/ { speed = $2 } END { printf "%-20s %10d executions %8d a second %6d edges\n", target, n, speed, edges }' \
    "fuzz/found/$target.log"
}

for target in "${targets[@]}"; do
  while [ "$(jobs -pr | wc -l)" -ge "${JOBS:-1}" ]; do wait -n || true; done
  one "$target" &
done
wait
