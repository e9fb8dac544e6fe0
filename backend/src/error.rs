//! Why a device cannot be used.

use crate::DeviceKind;

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The build lacks the kind.
    #[error(
        "this build has no {} support; build it with the feature `{}`, or use another device",
        .0.title(), .0.feature()
    )]
    NotBuilt(DeviceKind),
    /// No build has the kind on this system.
    #[error(
        "this build has no {title} support: {title} is there {}; use another device",
        .0.elsewhere().unwrap_or("on other systems"), title = .0.title()
    )]
    Elsewhere(DeviceKind),
    /// The build has the kind, the machine does not.
    #[error("no {} device was found; {} The device cpu works without one", .0.title(), .0.check())]
    NotFound(DeviceKind),
    /// There are some, but not this one.
    #[error("there is no such device; found {found}, {name}:0 to {name}:{}", .found - 1, name = .kind.name())]
    OutOfRange {
        /// The kind asked for.
        kind: DeviceKind,
        /// How many there are.
        found: usize,
    },
    /// The driver does not let it be used.
    #[error("{device} cannot be used: {reason}")]
    Refused {
        /// The device, and what it calls itself.
        device: String,
        /// What its driver says.
        reason: String,
    },
    /// The device has no such numbers.
    #[error("{device} does not compute in {dtype}; it has {has}")]
    Dtype {
        /// The device, and what it calls itself.
        device: String,
        /// The dtype asked for.
        dtype: &'static str,
        /// Those that it has.
        has: String,
    },
    /// The device gives other results than the host.
    #[error(
        "{device} computes wrongly: {what}. Nothing that it computes can be trusted; another version of its driver may help, and the device \
         cpu is right"
    )]
    Wrong {
        /// The device, and what it calls itself.
        device: String,
        /// Which results, and by how much.
        what: String,
    },
}

#[cfg(test)]
mod tests {
    use super::DeviceError;
    use crate::DeviceKind;

    #[test]
    fn messages_say_what_to_try() {
        let said = |error: DeviceError| error.to_string();
        assert_eq!(
            said(DeviceError::NotBuilt(DeviceKind::Vulkan)),
            "this build has no Vulkan support; build it with the feature `wgpu`, or use another device"
        );
        assert_eq!(
            said(DeviceError::NotFound(DeviceKind::Cuda)),
            "no CUDA device was found; is the NVIDIA driver installed (does `nvidia-smi` list a GPU)? The device cpu works without one"
        );
        let (kind, found) = (DeviceKind::Cuda, 2);
        assert_eq!(
            said(DeviceError::OutOfRange { kind, found }),
            "there is no such device; found 2, cuda:0 to cuda:1"
        );
        let device = "vulkan:0 (a card)".to_owned();
        assert_eq!(
            said(DeviceError::Dtype {
                device: device.clone(),
                dtype: "bf16",
                has: "f32 and f16".to_owned()
            }),
            "vulkan:0 (a card) does not compute in bf16; it has f32 and f16"
        );
        let what = "a softmax is off by 0.5 of its largest number".to_owned();
        assert!(said(DeviceError::Wrong { device, what }).starts_with(
            "vulkan:0 (a card) computes wrongly: a softmax is off by 0.5 of its largest number. "
        ));
    }

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn where_a_kind_never_is_the_message_says_where_it_is() {
        assert_eq!(
            DeviceError::Elsewhere(DeviceKind::Metal).to_string(),
            "this build has no Metal support: Metal is there on macOS only; use another device"
        );
    }
}
