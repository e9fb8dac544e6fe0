//! Products by burn's own kernels, of which the fastest is found by trying them on copies.
//!
//! burn tries its kernels on the first product of a kind, with the operands that the product is of. Where the device cannot launch one of
//! them, cubecl 0.11.3 holds everything that the kernel may have written for lost until it is written again; of kernels that read through
//! Hopper's tensor maps it takes the operands to be written as well. A weight would be lost for the rest of the run: what reads it is skipped,
//! and reading that back fails. So the kernels are tried on memory of the same layout that is thrown away.

use burn::backend::Backend;
use burn::backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

/// What two products have to share for one to be tried in place of the other: the device, and shape, strides and dtype of both operands.
static TRIED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

pub(super) fn launch(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let layout = |x: &CubeTensor| {
        let (shape, strides) = (x.meta.shape(), x.meta.strides());
        format!("{shape:?} {strides:?} {:?}", x.dtype)
    };
    let kind = format!("{:?} {} {}", a.device, layout(&a), layout(&b));
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    if tried.insert(kind) {
        drop(CubeBackend::float_matmul(blank(&a), blank(&b)));
        // Now, not when the pool is next short of memory.
        CubeBackend::memory_cleanup(&a.device);
    }
    drop(tried);
    CubeBackend::float_matmul(a, b)
}

/// Memory of the same layout, with anything in it.
fn blank(like: &CubeTensor) -> CubeTensor {
    let handle = like.client.empty(like.handle.size_in_used() as usize);
    let (meta, device) = (*like.meta.clone(), like.device.clone());
    CubeTensor::new(like.client.clone(), handle, meta, device, like.dtype)
}
