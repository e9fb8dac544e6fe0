//! The `sae` command.

use std::process::ExitCode;

// The CPU backend allocates a large output per operation; the system allocator gives each back to the kernel and faults it in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sae_cli::main()
}
