//! Devices as their drivers describe them, and the order in which they are taken.

use crate::DeviceKind;
use burn::tensor::Device;

/// A device as its driver describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Adapter {
    /// Its name, as the driver has it.
    pub(crate) name: Option<String>,
    /// The driver and its version, and the version of the interface.
    pub(crate) driver: Option<String>,
    /// Its total memory, in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// What it is made of.
    pub(crate) class: Class,
}

/// What a device is made of, the preferred kind first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(dead_code, reason = "CUDA knows cards only")]
pub(crate) enum Class {
    /// A card with memory of its own.
    #[default]
    Discrete,
    /// A part of the processor, whose memory it shares.
    Integrated,
    /// A part of a card that a virtual machine was given.
    Virtual,
    /// A program on the processor that does what a card does: lavapipe, `SwiftShader`, WARP.
    Software,
}

impl Adapter {
    /// Whether its memory is the host's.
    pub(crate) fn shares_memory(&self) -> bool {
        matches!(self.class, Class::Integrated | Class::Software)
    }

    /// Whether it is a program on the processor.
    pub(crate) fn is_software(&self) -> bool {
        self.class == Class::Software
    }
}

/// A device that is ready.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// As burn has it.
    pub(crate) device: Device,
    /// Bytes that one tensor may have; `None` for as many as there are.
    pub(crate) largest_tensor: Option<u64>,
}

/// The order in which devices are numbered: hardware first, cards before parts of the processor; and which of its class each one is, in the
/// order in which the driver lists them. burn reaches one software renderer, the first.
#[cfg_attr(not(feature = "wgpu"), allow(dead_code))]
pub(crate) fn numbered(listed: Vec<Adapter>) -> Vec<(Adapter, usize)> {
    let mut next = [0; 4];
    let with_index = listed.into_iter().map(|adapter| {
        let index = &mut next[adapter.class as usize];
        *index += 1;
        (adapter, *index - 1)
    });
    let mut all: Vec<_> = with_index.collect();
    all.retain(|(adapter, index)| !adapter.is_software() || *index == 0);
    all.sort_by_key(|(adapter, _)| adapter.class);
    all
}

/// The devices that may be chosen where nobody names one, the preferred one first. A software renderer is not among them: it is slower than
/// the CPU's own kernels.
pub(crate) fn automatic(
    found: impl Iterator<Item = (DeviceKind, Vec<Adapter>)>,
) -> impl Iterator<Item = (DeviceKind, usize)> {
    found.flat_map(|(kind, adapters)| {
        let numbered = adapters.into_iter().enumerate();
        let hardware = numbered.filter(|(_, adapter)| !adapter.is_software());
        hardware.map(move |(index, _)| (kind, index))
    })
}

#[cfg(test)]
mod tests {
    use super::Class::{self, Discrete, Integrated, Software, Virtual};
    use super::{Adapter, automatic, numbered};
    use crate::DeviceKind::{Cuda, Vulkan};

    fn adapter(class: Class) -> Adapter {
        Adapter {
            class,
            ..Adapter::default()
        }
    }

    fn order(listed: &[Class]) -> Vec<(Class, usize)> {
        let adapters = listed.iter().map(|&class| adapter(class)).collect();
        let numbered = numbered(adapters).into_iter();
        numbered.map(|(it, index)| (it.class, index)).collect()
    }

    #[test]
    fn hardware_comes_first_and_each_class_counts_from_zero() {
        assert_eq!(
            order(&[Software, Integrated, Discrete, Virtual, Discrete]),
            [
                (Discrete, 0),
                (Discrete, 1),
                (Integrated, 0),
                (Virtual, 0),
                (Software, 0)
            ]
        );
        assert_eq!(order(&[]), []);
    }

    #[test]
    fn of_several_software_renderers_only_the_first_can_be_reached() {
        assert_eq!(order(&[Software, Software]), [(Software, 0)]);
    }

    #[test]
    fn software_is_never_chosen_for_someone_who_named_none() {
        let [card, part, program] = [Discrete, Integrated, Software].map(adapter);
        let vulkan = vec![card.clone(), part, program.clone()];
        let chosen = |found: Vec<_>| automatic(found.into_iter()).collect::<Vec<_>>();
        assert_eq!(
            chosen(vec![(Cuda, vec![card]), (Vulkan, vulkan)]),
            [(Cuda, 0), (Vulkan, 0), (Vulkan, 1)]
        );
        assert_eq!(chosen(vec![(Cuda, vec![]), (Vulkan, vec![program])]), []);
    }

    #[test]
    fn what_is_in_the_processor_shares_its_memory() {
        let sharing =
            [Discrete, Integrated, Virtual, Software].map(|it| adapter(it).shares_memory());
        assert_eq!(sharing, [false, true, false, true]);
    }
}
