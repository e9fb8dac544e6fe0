//! A stand-in for `libnvrtc.so` as well: the same library under that name. "Compiling" takes the kernel's name and parameters from its source,
//! so that a program with thousands of kernels runs in seconds. Sources can be kept, to be compiled by the real NVRTC.

use crate::settings::settings;
use crate::state::lock;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

const SUCCESS: c_int = 0;
const INVALID_PROGRAM: c_int = 4;
const COMPILATION: c_int = 6;

/// The source, and the PTX once it is compiled.
struct Program {
    source: String,
    ptx: CString,
}

/// PTX with the entries of a source, and nothing in them.
fn ptx_of(source: &str) -> Option<String> {
    let (_, kernel) = source.split_once("__global__")?;
    let (head, rest) = kernel.split_once('(')?;
    let mut name = head.split_whitespace().last()?;
    let mut parameters = rest;
    // `__launch_bounds__(256) void name(…)`: what came first was an attribute.
    if name.starts_with("__launch_bounds__") {
        let (_, rest) = rest.split_once(')')?;
        let (head, rest) = rest.split_once('(')?;
        name = head.split_whitespace().last()?;
        parameters = rest;
    }
    let (parameters, _) = parameters.split_once('{')?;
    let parameters = parameters.trim_end().strip_suffix(')')?;
    let declared = parameters.split(',').filter(|p| !p.trim().is_empty());
    let declared = declared.enumerate().map(|(i, parameter)| {
        if parameter.contains('*') {
            format!(".param .u64 .ptr .align 1 {name}_param_{i}")
        } else {
            format!(".param .align 8 .b8 {name}_param_{i}[8]")
        }
    });
    let declared = declared.collect::<Vec<_>>().join(",\n");
    Some(format!(
        ".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry {name}(\n{declared}\n)\n{{ ret; }}\n"
    ))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcCreateProgram(
    program: *mut *mut c_void,
    source: *const c_char,
    _name: *const c_char,
    _n_headers: c_int,
    _headers: *const *const c_char,
    _names: *const *const c_char,
) -> c_int {
    // SAFETY: the caller passes a text that ends with a zero.
    let source = unsafe { CStr::from_ptr(source) }
        .to_string_lossy()
        .into_owned();
    let ptx = CString::default();
    let made = Box::into_raw(Box::new(Program { source, ptx }));
    // SAFETY: the caller's place takes a handle.
    unsafe { program.write(made.cast()) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcDestroyProgram(program: *mut *mut c_void) -> c_int {
    // SAFETY: the handle is one of `nvrtcCreateProgram`'s, and is not used again.
    unsafe {
        drop(Box::from_raw((*program).cast::<Program>()));
        program.write(ptr::null_mut());
    }
    SUCCESS
}

/// The program of a handle.
///
/// # Safety
/// The handle is one of [`nvrtcCreateProgram`]'s and has not been destroyed.
unsafe fn program<'a>(handle: *mut c_void) -> Option<&'a mut Program> {
    // SAFETY: as the caller says.
    unsafe { handle.cast::<Program>().as_mut() }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcCompileProgram(
    handle: *mut c_void,
    _n_options: c_int,
    _options: *const *const c_char,
) -> c_int {
    // SAFETY: callers pass handles that they were given.
    let Some(program) = (unsafe { program(handle) }) else {
        return INVALID_PROGRAM;
    };
    let compiled = lock().handle();
    if let Some(dir) = &settings().sources {
        let _ = std::fs::write(
            Path::new(dir).join(format!("{compiled:05}.cu")),
            &program.source,
        );
    }
    match ptx_of(&program.source).and_then(|ptx| CString::new(ptx).ok()) {
        Some(ptx) => {
            program.ptx = ptx;
            SUCCESS
        }
        None => COMPILATION,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetPTXSize(handle: *mut c_void, size: *mut usize) -> c_int {
    // SAFETY: callers pass handles that they were given, and a place for a number.
    unsafe {
        let Some(program) = program(handle) else {
            return INVALID_PROGRAM;
        };
        size.write(program.ptx.as_bytes_with_nul().len());
    }
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetPTX(handle: *mut c_void, place: *mut c_char) -> c_int {
    // SAFETY: callers pass handles that they were given, and a place as large as they were told.
    unsafe {
        let Some(program) = program(handle) else {
            return INVALID_PROGRAM;
        };
        let bytes = program.ptx.as_bytes_with_nul();
        ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), bytes.len());
    }
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetProgramLogSize(_handle: *mut c_void, size: *mut usize) -> c_int {
    // SAFETY: callers pass a place for a number.
    unsafe { size.write(1) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetProgramLog(_handle: *mut c_void, place: *mut c_char) -> c_int {
    // SAFETY: callers pass a place as large as they were told.
    unsafe { place.write(0) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcVersion(major: *mut c_int, minor: *mut c_int) -> c_int {
    // SAFETY: callers pass places for two numbers.
    unsafe {
        major.write(13);
        minor.write(0);
    }
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn nvrtcGetErrorString(_status: c_int) -> *const c_char {
    c"an error of a test double".as_ptr()
}

#[cfg(test)]
mod tests {
    use super::ptx_of;
    use crate::module::entries;

    #[test]
    fn names_and_parameters_are_kept() {
        let source = "struct S {};\nextern \"C\" __global__ void __launch_bounds__(256)\n  add_f32(float_4* buffer_0, const uint* __restrict__ b, const __grid_constant__ info_st info) {\n  x(); }";
        let found = entries(&ptx_of(source).unwrap());
        assert_eq!(found[0].name, "add_f32");
        assert_eq!(found[0].pointers, [true, true, false]);
        assert!(ptx_of("int f(int x) { return x; }").is_none());
    }
}
