//! The adapters that the graphics driver lists.

use super::memory;
use crate::adapter::{Adapter, Class, numbered};
use burn::tensor::DeviceKind;
use burn::tensor::wgpu::wgpu::{
    self, AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags,
};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

#[cfg(target_os = "macos")]
const HERE: Backends = Backends::METAL;
#[cfg(not(target_os = "macos"))]
const HERE: Backends = Backends::VULKAN;

/// What was found, and the connection to the driver, which stays: loaders do not like connections that come and go.
struct Found {
    adapters: Vec<(Adapter, usize)>,
    _instance: Instance,
}

static FOUND: OnceLock<Found> = OnceLock::new();

fn found() -> &'static Found {
    FOUND.get_or_init(|| {
        let instance = Instance::new(InstanceDescriptor {
            backends: HERE,
            // Without the layers that look for mistakes, which a debug build would ask for.
            flags: InstanceFlags::empty(),
            ..InstanceDescriptor::new_without_display_handle()
        });
        let listed = at_once(instance.enumerate_adapters(HERE)).unwrap_or_default();
        let adapters = listed.iter().filter_map(describe).collect();
        Found {
            adapters: numbered(adapters),
            _instance: instance,
        }
    })
}

/// Every adapter that can be opened, hardware first. The driver is asked once.
pub(crate) fn adapters() -> Vec<Adapter> {
    let all = found().adapters.iter();
    all.map(|(adapter, _)| adapter.clone()).collect()
}

/// One of them, and what burn calls it.
pub(super) fn get(index: usize) -> Option<(&'static Adapter, DeviceKind)> {
    let (adapter, of_class) = found().adapters.get(index)?;
    let kind = match adapter.class {
        Class::Discrete => DeviceKind::DiscreteGpu(*of_class),
        Class::Integrated => DeviceKind::IntegratedGpu(*of_class),
        Class::Virtual => DeviceKind::VirtualGpu(*of_class),
        Class::Software => DeviceKind::Cpu,
    };
    Some((adapter, kind))
}

/// None for what is neither hardware nor software of a known class, which burn has no name for.
fn describe(listed: &wgpu::Adapter) -> Option<Adapter> {
    let info = listed.get_info();
    let class = match info.device_type {
        DeviceType::DiscreteGpu => Class::Discrete,
        DeviceType::IntegratedGpu => Class::Integrated,
        DeviceType::VirtualGpu => Class::Virtual,
        DeviceType::Cpu => Class::Software,
        DeviceType::Other => return None,
    };
    Some(Adapter {
        driver: driver(&info, memory::version(listed)),
        memory_bytes: memory::bytes(listed),
        name: Some(info.name).filter(|name| !name.is_empty()),
        class,
    })
}

/// `NVIDIA 580.65.06, Vulkan 1.4.312`, as far as it is known.
fn driver(info: &AdapterInfo, version: Option<String>) -> Option<String> {
    let parts = [info.driver.trim(), info.driver_info.trim()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let driver = Some(parts.join(" ")).filter(|text| !text.is_empty());
    let both: Vec<String> = driver.into_iter().chain(version).collect();
    (!both.is_empty()).then(|| both.join(", "))
}

/// The result of work that never waits; none if it would.
fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
