//! Modules: PTX, of which the entries are read and nothing else.

use crate::device::{DEFAULT_SHARED, MAX_SHARED, answer};
use crate::settings::settings;
use crate::state::{Kernel, lock};
use crate::{INVALID_HANDLE, INVALID_IMAGE, INVALID_VALUE, NOT_FOUND, SUCCESS, Status, refuse};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

/// The entries of a PTX text.
pub(crate) fn entries(ptx: &str) -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for (start, _) in ptx.match_indices(".entry ") {
        let rest = &ptx[start + ".entry ".len()..];
        let head = rest.split('{').next().unwrap_or_default();
        let (name, after) = head.split_once('(').unwrap_or((head, ""));
        let (parameters, directives) = after.rsplit_once(')').unwrap_or((after, ""));
        let parameters = parameters.split(',').filter(|p| p.contains(".param"));
        let max_threads = directives.split_once(".maxntid").map(|(_, sizes)| {
            let line = sizes.lines().next().unwrap_or_default();
            line.split(',')
                .filter_map(|n| n.trim().parse::<u64>().ok())
                .product()
        });
        kernels.push(Kernel {
            name: name.trim().to_owned(),
            pointers: parameters
                .map(|p| p.contains(".u64") && p.contains(".ptr"))
                .collect(),
            static_shared: static_shared(ptx),
            max_dynamic_shared: DEFAULT_SHARED,
            max_threads,
            launches: 0,
        });
    }
    kernels
}

/// Bytes of the `.shared` arrays that have a size.
fn static_shared(ptx: &str) -> u64 {
    let declared = ptx.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with(".shared") || line.starts_with(".visible .shared")
    });
    let sizes = declared.filter_map(|line| {
        let (_, size) = line.rsplit_once('[')?;
        size.split(']').next()?.parse::<u64>().ok()
    });
    sizes.sum()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleLoadData(module: *mut *mut c_void, image: *const c_void) -> Status {
    if image.is_null() {
        return INVALID_VALUE;
    }
    // SAFETY: PTX is a text that ends with a zero, and nothing else is passed here.
    let text = unsafe { CStr::from_ptr(image.cast::<c_char>()) };
    let Ok(text) = text.to_str() else {
        return refuse(INVALID_IMAGE, "a module that is not PTX");
    };
    let found = entries(text);
    let Some(first) = found.first() else {
        return refuse(INVALID_IMAGE, "a module without an entry");
    };
    let mut state = lock();
    if let Some(dir) = &settings().ptx {
        let file = format!("{:04}-{}.ptx", state.modules.len(), first.name);
        let _ = std::fs::write(Path::new(dir).join(file), text);
    }
    state.modules.push(text.to_owned());
    let handle = state.modules.len();
    answer(module, ptr::without_provenance_mut(handle))
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleUnload(_module: *mut c_void) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleGetFunction(
    function: *mut *mut c_void,
    module: *mut c_void,
    name: *const c_char,
) -> Status {
    // SAFETY: the caller passes a text that ends with a zero.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let mut state = lock();
    let Some(text) = module
        .addr()
        .checked_sub(1)
        .and_then(|i| state.modules.get(i))
    else {
        return INVALID_HANDLE;
    };
    let Some(kernel) = entries(text).into_iter().find(|kernel| kernel.name == name) else {
        drop(state);
        return refuse(NOT_FOUND, &format!("no entry {name:?} in the module"));
    };
    state.kernels.push(kernel);
    let handle = state.kernels.len();
    answer(function, ptr::without_provenance_mut(handle))
}

#[unsafe(no_mangle)]
extern "C" fn cuFuncSetAttribute(function: *mut c_void, which: c_int, value: c_int) -> Status {
    const MAX_DYNAMIC_SHARED: c_int = 8;
    let mut state = lock();
    let index = function.addr().wrapping_sub(1);
    let Some(kernel) = state.kernels.get_mut(index) else {
        return INVALID_HANDLE;
    };
    if which == MAX_DYNAMIC_SHARED {
        let asked = value.max(0) as u64;
        if asked + kernel.static_shared > MAX_SHARED {
            let why = format!(
                "{} asks for {asked} bytes of shared memory beside {} of its own; there are {MAX_SHARED}",
                kernel.name, kernel.static_shared
            );
            drop(state);
            return refuse(INVALID_VALUE, &why);
        }
        kernel.max_dynamic_shared = asked.max(DEFAULT_SHARED);
    }
    SUCCESS
}

#[cfg(test)]
mod tests {
    use super::entries;

    #[test]
    fn entries_are_read() {
        let ptx = "\
.extern .shared .align 16 .b8 dynamic[];
.shared .align 4 .b8 own[128];
.visible .entry kernel_a(
	.param .u64 .ptr .align 1 kernel_a_param_0,
	.param .align 8 .b8 kernel_a_param_1[40],
	.param .u32 kernel_a_param_2
)
.maxntid 32, 8, 1
{ ret; }
.visible .entry b() { ret; }";
        let found = entries(ptx);
        let names: Vec<&str> = found.iter().map(|kernel| kernel.name.as_str()).collect();
        assert_eq!(names, ["kernel_a", "b"]);
        assert_eq!(found[0].pointers, [true, false, false]);
        assert_eq!(found[0].max_threads, Some(256));
        assert_eq!(found[0].static_shared, 128);
        assert!(found[1].pointers.is_empty());
    }
}
