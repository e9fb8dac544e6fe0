//! A stand-in for `libcuda.so.1`, for machines without a GPU.
//!
//! It answers as an H100 with 80 GB does, hands out device addresses that have nothing behind them, checks every launch against the
//! device's limits and every address against what is allocated, and counts. With it in the library path a CUDA program runs end to end:
//! kernels are compiled (by the real NVRTC), placed and launched, memory is taken and given back.
//!
//! **What it cannot show: numbers and speed.** No kernel runs, what is copied from the device is zeros, and the time between two events
//! is a made-up cost for each launch between them.
//!
//! What it does is set by environment variables, see `settings`; what it saw is written at the end, see `report`.

#![allow(
    non_snake_case,
    missing_docs,
    clippy::missing_safety_doc,
    clippy::not_unsafe_ptr_arg_deref
)]

mod device;
mod events;
mod launch;
mod memory;
mod module;
mod nvrtc;
mod report;
mod settings;
mod state;
mod tensor_map;

/// A driver's status: 0 is success.
pub(crate) type Status = i32;

pub(crate) const SUCCESS: Status = 0;
pub(crate) const INVALID_VALUE: Status = 1;
pub(crate) const OUT_OF_MEMORY: Status = 2;
pub(crate) const INVALID_DEVICE: Status = 101;
pub(crate) const INVALID_IMAGE: Status = 200;
pub(crate) const INVALID_HANDLE: Status = 400;
pub(crate) const NOT_FOUND: Status = 500;
pub(crate) const ILLEGAL_ADDRESS: Status = 700;
pub(crate) const LAUNCH_OUT_OF_RESOURCES: Status = 701;

/// What a call refuses: said on stderr, counted, and returned to the caller.
pub(crate) fn refuse(status: Status, why: &str) -> Status {
    state::lock().refused.push(why.to_owned());
    report::say(why);
    status
}
