//! burn's own kernels, of which the fastest is found by trying them on copies.
//!
//! burn tries its kernels on the first call of a kind, with the operands of that call. Where the device cannot launch one of them, cubecl 0.11.3
//! holds everything that the kernel may have written for lost until it is written again; of kernels that read through Hopper's tensor maps it
//! takes the operands to be written as well. A weight would be lost for the rest of the run: what reads it is skipped, and reading that back
//! fails. So the first call of a kind is made on memory of the same layout that is thrown away.

use burn::backend::Backend;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::tensor::ops::AttentionModuleOptions;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, CubeDevice};
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

/// What two calls have to share for one to be tried in place of the other.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Call {
    operation: &'static str,
    device: CubeDevice,
    operands: Vec<Layout>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Layout {
    shape: Vec<usize>,
    strides: Vec<usize>,
    dtype: &'static str,
}

/// a·b, of any rank.
pub(super) fn matmul(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    call("matmul", [a, b], |[a, b]| CubeBackend::float_matmul(a, b))
}

/// burn's attention under a causal mask, or under the one given.
pub(super) fn attention(
    q: CubeTensor,
    k: CubeTensor,
    v: CubeTensor,
    mask: Option<CubeTensor>,
) -> CubeTensor {
    let options = AttentionModuleOptions {
        is_causal: mask.is_none(),
        ..Default::default()
    };
    match mask {
        None => call("causal attention", [q, k, v], |[q, k, v]| {
            CubeBackend::attention(q, k, v, None, None, options)
        }),
        Some(mask) => call("attention", [q, k, v, mask], |[q, k, v, mask]| {
            CubeBackend::attention(q, k, v, Some(mask), None, options)
        }),
    }
}

/// Runs an operation; if none of the kind was run before, on copies first.
fn call<const N: usize>(
    operation: &'static str,
    operands: [CubeTensor; N],
    run: impl Fn([CubeTensor; N]) -> CubeTensor,
) -> CubeTensor {
    static TRIED: LazyLock<Mutex<HashSet<Call>>> = LazyLock::new(Mutex::default);
    let device = operands[0].device.clone();
    let kind = Call {
        operation,
        device: device.clone(),
        operands: operands.iter().map(layout).collect(),
    };
    let new = TRIED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(kind);
    if new {
        drop(run(operands.each_ref().map(blank)));
        // Now, not when the pool is next short of memory.
        CubeBackend::memory_cleanup(&device);
    }
    run(operands)
}

fn layout(x: &CubeTensor) -> Layout {
    Layout {
        shape: x.meta.shape().iter().copied().collect(),
        strides: x.meta.strides().iter().copied().collect(),
        dtype: x.dtype.name(),
    }
}

/// Memory of the same layout, with anything in it.
fn blank(like: &CubeTensor) -> CubeTensor {
    let handle = like.client.empty(like.handle.size_in_used() as usize);
    let (meta, device) = (*like.meta.clone(), like.device.clone());
    CubeTensor::new(like.client.clone(), handle, meta, device, like.dtype)
}
