#!/usr/bin/env bash
# CPU seconds of `sae eval` of eight SAEs at four layers, in one call and one by one.
#   benches/several.sh SAE_BINARY MODEL RUN TEXT [ROWS]
# RUN is an SAE for the residual stream; copies of it stand at four layers of the model, two at each.
set -euo pipefail
sae=$1 model=$2 run=$3 text=$4 rows=${5:-8}
layers=$(sed -n 's/.*"num_hidden_layers": *\([0-9]*\).*/\1/p' "$model/config.json")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs=()
for quarter in 0 1 2 3; do
  for copy in a b; do
    layer=$((layers * quarter / 4))
    cp -r "$run" "$work/l$layer$copy"
    sed -i "s/blocks\.[0-9]*\.hook_resid_pre/blocks.$layer.hook_resid_pre/" "$work/l$layer$copy"/final_sae/cfg.json
    runs+=("$work/l$layer$copy")
  done
done
common=(--model "$model" --dataset "$text" --sequences "$rows" --quiet)
user() { # user COMMAND...: its CPU seconds
  local TIMEFORMAT='%U'
  { time "$@" >"$work/out" 2>&1; } 2>&1
}
alone=0
for one in "${runs[@]}"; do alone=$(awk "BEGIN { print $alone + $(user "$sae" eval --sae "$one" "${common[@]}") }"); done
args=()
for one in "${runs[@]}"; do args+=(--sae "$one"); done
together=$(user "$sae" eval "${args[@]}" "${common[@]}")
grep 'tokens through' "$work/out"
awk "BEGIN { printf \"one by one %.1f s of CPU, in one call %.1f s: %.2f times\n\", $alone, $together, $alone / $together }"
