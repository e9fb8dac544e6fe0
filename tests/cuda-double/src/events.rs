//! Streams and events. Everything is done as soon as it is asked for, so nothing ever has to wait; that it would have is counted.

use crate::device::answer;
use crate::state::lock;
use crate::{SUCCESS, Status, report};
use std::collections::HashMap;
use std::ffi::{c_int, c_uint, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// When each event was recorded, on the double's clock.
fn times() -> MutexGuard<'static, HashMap<usize, u64>> {
    static TIMES: OnceLock<Mutex<HashMap<usize, u64>>> = OnceLock::new();
    let times = TIMES.get_or_init(Mutex::default);
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handle() -> *mut c_void {
    ptr::without_provenance_mut(lock().handle() as usize * 16)
}

fn waited(for_what: &str) -> Status {
    lock().waits += 1;
    report::trace(|| format!("wait {for_what}"));
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamCreate(stream: *mut *mut c_void, _flags: c_uint) -> Status {
    answer(stream, handle())
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamCreateWithPriority(
    stream: *mut *mut c_void,
    _flags: c_uint,
    _priority: c_int,
) -> Status {
    answer(stream, handle())
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamDestroy_v2(_stream: *mut c_void) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamSynchronize(_stream: *mut c_void) -> Status {
    waited("stream")
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSynchronize() -> Status {
    waited("context")
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamWaitEvent(
    _stream: *mut c_void,
    _event: *mut c_void,
    _flags: c_uint,
) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuEventCreate(event: *mut *mut c_void, _flags: c_uint) -> Status {
    answer(event, handle())
}

#[unsafe(no_mangle)]
extern "C" fn cuEventDestroy_v2(event: *mut c_void) -> Status {
    times().remove(&event.addr());
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuEventRecord(event: *mut c_void, _stream: *mut c_void) -> Status {
    let now = lock().clock;
    times().insert(event.addr(), now);
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuEventSynchronize(_event: *mut c_void) -> Status {
    waited("event")
}

#[unsafe(no_mangle)]
extern "C" fn cuEventQuery(_event: *mut c_void) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuEventElapsedTime_v2(
    milliseconds: *mut f32,
    start: *mut c_void,
    end: *mut c_void,
) -> Status {
    let times = times();
    let at = |event: *mut c_void| times.get(&event.addr()).copied().unwrap_or_default();
    answer(milliseconds, at(end).saturating_sub(at(start)) as f32 / 1e6)
}

#[unsafe(no_mangle)]
extern "C" fn cuEventElapsedTime(
    milliseconds: *mut f32,
    start: *mut c_void,
    end: *mut c_void,
) -> Status {
    cuEventElapsedTime_v2(milliseconds, start, end)
}
