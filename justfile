# The handful of things one does here. `just` lists them.
default:
    @just --list

# What CI runs, whole.
ci:
    bash .ci/run

# The inner loop: lints and tests.
check:
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

# Tests in parallel processes (needs cargo-nextest).
test *ARGS:
    cargo nextest run --workspace {{ARGS}}

# Every benchmark, or the one named: `just bench sae`.
bench *ARGS:
    cargo bench -p sae-benches {{ARGS}}

# The notebook, on the bundled demo.
demo:
    cargo run --release -p sae-cli -- analyze --out report

# Remake the parity goldens (needs the Python peers, see tests/goldens/README.md).
goldens PYTHON="python3":
    for script in tests/goldens/*.py; do {{PYTHON}} "$script"; done
