//! What a cross-layer transcoder or a crosscoder needs memory for.

use super::{Part, SaeAt, SaeShape, Work};
use crate::Place;
use sae_core::{MultiLayerConfig, MultiLayerKind};

/// Decoder rows of active features, twice: as they are read, and on the device.
const GATHERED: u64 = 64 << 20;
/// The share of features taken to be active while those of all layers are kept: one in this many.
const ACTIVE: u64 = 32;
/// Bytes of an active feature.
const ENTRY: u64 = 8;

impl Work {
    /// This work with a dictionary of several layers measured at these places. With `keeps` the encoders of a cross-layer transcoder are in memory,
    /// else one at a time is; its decoders stay in their files. With `together` there is also a run with all layers in place.
    #[must_use]
    pub fn with_layers(
        &self,
        cfg: &MultiLayerConfig,
        places: &[Place],
        (keeps, together): (bool, bool),
    ) -> Self {
        let n_layers = cfg.n_layers as u64;
        let cross_layer = cfg.kind == MultiLayerKind::CrossLayerTranscoder;
        let n_params = |layer: usize| match (cross_layer, keeps, layer) {
            (false, ..) => cfg.n_params() / n_layers.max(1),
            (true, true, _) => cfg.encoder_params(),
            // It is read into one buffer and brought to the device from there.
            (true, false, 0) => 2 * cfg.encoder_params(),
            (true, false, _) => 0,
        };
        let saes = places.iter().enumerate().map(|(layer, &place)| {
            let shape = SaeShape {
                n_params: n_params(layer),
                d_in: cfg.d_in,
                d_sae: cfg.d_sae,
                active: None,
            };
            SaeAt::new(shape, place)
        });
        let saes: Vec<SaeAt> = saes.collect();
        let mut work = self.with_saes(&saes, together);
        let features = n_layers * (cfg.d_sae as u64 / ACTIVE) * ENTRY;
        work.kept_per_row += self.context_size as u64 * features;
        if cross_layer {
            work.besides.push(Part::new("decoder rows", GATHERED));
        }
        work
    }
}
