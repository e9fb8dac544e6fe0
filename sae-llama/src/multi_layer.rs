//! Cross-layer transcoders and crosscoders in the places of their layers.

use burn::tensor::Tensor;
use sae_core::MultiLayer;
use sae_traits::{Ensemble, Features, Reconstruction, SparseRows};
use std::ops::Range;

/// The layers of a cross-layer transcoder or a crosscoder, each at its place in a model.
///
/// In the run of the model as it is, all features are of its own activations. In a run with all layers in place, the features of a
/// cross-layer transcoder are of what the layers below have left: those that a layer adds to its output were computed on the way. A crosscoder
/// needs the activations of all layers before it can replace the first, so that its features remain those of the model as it is.
#[derive(Debug)]
pub struct SplicedLayers<'a> {
    dictionary: &'a MultiLayer,
    places: Vec<usize>,
}

impl<'a> SplicedLayers<'a> {
    /// A dictionary whose layers are at the places of these numbers.
    ///
    /// # Panics
    /// If there is not one for each layer.
    pub fn new(dictionary: &'a MultiLayer, places: Vec<usize>) -> Self {
        let n_layers = dictionary.cfg().n_layers;
        assert_eq!(places.len(), n_layers, "a place for each layer");
        Self { dictionary, places }
    }
}

impl Ensemble for SplicedLayers<'_> {
    /// Features: of the layers so far, or of the crosscoder.
    type Memory = Vec<SparseRows>;

    fn n_members(&self) -> usize {
        self.places.len()
    }

    fn place(&self, member: usize) -> usize {
        self.places[member]
    }

    fn d_in(&self, _: usize) -> usize {
        self.dictionary.cfg().d_in
    }

    fn d_sae(&self, _: usize) -> usize {
        self.dictionary.cfg().d_sae
    }

    fn begin(&self, inputs: &[Tensor<3>]) -> Vec<SparseRows> {
        match self.dictionary {
            MultiLayer::Crosscoder(of) => {
                let inputs: Vec<_> = inputs.iter().map(|x| x.clone().flatten(0, 1)).collect();
                vec![of.encode(&inputs)]
            }
            _ => Vec::new(),
        }
    }

    fn begin_chain(
        &self,
        memory: &Vec<SparseRows>,
        rows: Range<usize>,
        positions: usize,
    ) -> Vec<SparseRows> {
        match self.dictionary {
            MultiLayer::Crosscoder(_) => {
                let tokens = rows.start * positions..rows.end * positions;
                memory
                    .iter()
                    .map(|features| some_rows(features, tokens.clone()))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconstruct(
        &self,
        member: usize,
        x: Tensor<3>,
        memory: &mut Vec<SparseRows>,
    ) -> Reconstruction {
        let [b, p, _] = x.dims();
        let (features, decoded) = match self.dictionary {
            MultiLayer::CrossLayer(of) => {
                let x = x.flatten(0, 1);
                let features = of.encode(member, x.clone());
                memory.push(features.clone());
                (features, of.forward_layer(member, memory, x))
            }
            MultiLayer::Crosscoder(of) => {
                let features = of.of_layer(member, &memory[0]);
                let decoded = of.decode(member, &features);
                (features, decoded)
            }
            _ => unreachable!("there are two kinds"),
        };
        let [_, d_out] = decoded.dims();
        Reconstruction::new(Features::Sparse(features), decoded.reshape([b, p, d_out]))
    }
}

fn some_rows(features: &SparseRows, rows: Range<usize>) -> SparseRows {
    let rows = rows.map(|row| {
        let (indices, values) = features.row(row);
        indices.iter().copied().zip(values.iter().copied())
    });
    SparseRows::from_rows(rows, features.d_sae)
}
