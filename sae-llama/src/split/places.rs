//! A Llama with several places for SAEs.

use super::halves::{Run, cat};
use super::{Cut, Place, Resume, SplitLlama};
use burn::tensor::{Device, Int, Tensor};
use llama_hooked::{Activation, Capture, Hook, HookPoint, Llama, Pass};
use sae_traits::{ChainEdit, ChainPlace, MultiRun, MultiSplitModel, Prefix, Splice};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A Llama with places that several SAEs work on. It runs once as it is, and above a place once for each edit there.
///
/// It shares the weights of the model it was made from.
#[derive(Debug)]
pub struct LlamaPlaces {
    model: Llama,
    splits: Vec<SplitLlama>,
    rows_at_once: usize,
    block_tokens: AtomicU64,
}

/// What a run has left at the places.
#[derive(Debug, Clone)]
pub struct PlacesResume {
    /// For each place, of each group of rows.
    places: Vec<Vec<Resume>>,
    /// The residual entering the first block that any place has to do with, of each group of rows.
    lowest: Vec<Tensor<3>>,
}

impl LlamaPlaces {
    /// A model with these places; the same place twice counts once.
    pub fn new(model: &Llama, places: &[Place]) -> Self {
        let mut distinct: Vec<Place> = Vec::new();
        for &place in places {
            if !distinct.contains(&place) {
                distinct.push(place);
            }
        }
        let splits = distinct.into_iter();
        Self {
            model: model.clone(),
            splits: splits.map(|place| SplitLlama::of(model, place)).collect(),
            rows_at_once: usize::MAX,
            block_tokens: AtomicU64::new(0),
        }
    }

    /// As [`SplitLlama::rows_at_once`].
    #[must_use]
    pub fn rows_at_once(self, rows: usize) -> Self {
        Self {
            rows_at_once: rows.max(1),
            ..self
        }
    }

    /// The model.
    pub fn model(&self) -> &Llama {
        &self.model
    }

    /// The place of a number.
    ///
    /// # Panics
    /// If there is none.
    pub fn place(&self, number: usize) -> Place {
        self.splits[number].place()
    }

    /// The number of a place; `None` if the model was not made with it.
    pub fn number(&self, place: Place) -> Option<usize> {
        self.splits.iter().position(|split| split.place() == place)
    }

    /// How many tokens have gone through a block so far, each as often as it did. A run of which all positions are alike counts nothing.
    pub fn block_tokens(&self) -> u64 {
        self.block_tokens.load(Ordering::Relaxed)
    }

    /// How many an evaluation of one SAE alone takes: for so many tokens with losses, and so many more without.
    pub fn block_tokens_alone(&self, place: Place, with_losses: u64, without: u64) -> u64 {
        let n = self.model.config().n_layers;
        let (below, above) = match SplitLlama::of(&self.model, place).cut() {
            Cut::Between(layer) => (layer, n - layer),
            Cut::Within(layer) => (layer + 1, 2 * (n - layer)),
            Cut::Final => (n, 0),
        };
        with_losses * (n + above) as u64 + without * below as u64
    }

    /// The first block that a run with every place edited has to run; `None` if it begins with the embedding's output.
    fn first(&self) -> Option<usize> {
        let n = self.model.config().n_layers;
        let first = |split: &SplitLlama| match split.read() {
            HookPoint::Embed => None,
            other => Some(other.layer().unwrap_or(n)),
        };
        // None, the embedding, is below all.
        self.splits.iter().map(first).min().flatten()
    }

    /// The first block that no place has to do with: a run that stops there has passed them all.
    fn end(&self) -> usize {
        let n = self.model.config().n_layers;
        let end = |split: &SplitLlama| match split.cut() {
            Cut::Between(layer) => layer,
            Cut::Within(layer) => layer + 1,
            Cut::Final => n,
        };
        self.splits.iter().map(end).max().unwrap_or(0)
    }

    /// The residual that enters block `end`, and what was captured below it, of each group of rows.
    fn run_to(&self, tokens: Tensor<2, Int>, end: usize) -> Vec<(Tensor<3>, Capture)> {
        let points = self.points();
        let groups = tokens.split(self.rows_at_once.min(isize::MAX as usize), 0);
        let captures = groups.iter().map(|_| Capture::new(points.clone()));
        let mut captures: Vec<Capture> = captures.collect();
        let passes = groups.into_iter().zip(&mut captures);
        let passes: Vec<_> = passes
            .map(|(tokens, hooks)| Pass {
                resid: self.model.embed(tokens, hooks),
                layers: 0..end,
                hooks,
            })
            .collect();
        self.count(passes.iter().map(|pass| (&pass.resid, &pass.layers)));
        let resids = self.model.passes(passes);
        resids.into_iter().zip(captures).collect()
    }

    /// Every point that is looked at.
    fn points(&self) -> Vec<HookPoint> {
        let n = self.model.config().n_layers;
        let mut points = vec![self.first().map_or(HookPoint::Embed, HookPoint::ResidPre)];
        for split in &self.splits {
            points.extend([split.read(), split.write()]);
            match split.cut() {
                Cut::Between(layer) => points.push(HookPoint::ResidPre(layer)),
                Cut::Within(layer) => {
                    points.extend([HookPoint::ResidPre(layer), HookPoint::ResidPost(layer)]);
                }
                Cut::Final => {}
            }
        }
        // What enters a block that is not there is what left the last.
        points.retain(|point| *point != HookPoint::ResidPre(n));
        points.sort_unstable();
        points.dedup();
        points
    }

    fn count<'a>(&self, passes: impl IntoIterator<Item = (&'a Tensor<3>, &'a Range<usize>)>) {
        for (resid, layers) in passes {
            let [b, p, _] = resid.dims();
            let tokens = (b * p * layers.len()) as u64;
            self.block_tokens.fetch_add(tokens, Ordering::Relaxed);
        }
    }

    /// The run on zeros at every place. What lies below the last place between two blocks makes no difference, and from there on all positions
    /// are alike.
    fn zeroed(&self, lowest: &[Tensor<3>]) -> Tensor<3> {
        let n = self.model.config().n_layers;
        let places = self.splits.iter().map(SplitLlama::place).collect();
        let between = self.splits.iter().filter_map(|split| match split.cut() {
            Cut::Between(layer) => Some(layer),
            _ => None,
        });
        let hook = || Zeros(Vec::clone(&places));
        if let Some(layer) = between.max() {
            let zeros = lowest[0].clone().slice([0..1, 0..1]).zeros_like();
            let run = Run {
                resid: zeros,
                layers: layer..n,
                hook: Box::new(hook()),
            };
            return cat(self.splits[0].finish(vec![run]));
        }
        let first = self.first().unwrap_or(0);
        let runs = lowest.iter().map(|resid| Run {
            resid: resid.clone(),
            layers: first..n,
            hook: Box::new(hook()),
        });
        let runs: Vec<Run> = runs.collect();
        self.count(runs.iter().map(|run| (&run.resid, &run.layers)));
        cat(self.splits[0].finish(runs))
    }

    fn replaced(
        &self,
        lowest: &[Tensor<3>],
        edit: &mut dyn FnMut(ChainPlace) -> Tensor<3>,
    ) -> Tensor<3> {
        let n = self.model.config().n_layers;
        let edit = RefCell::new(edit);
        let mut start = 0;
        let mut hooks: Vec<_> = lowest
            .iter()
            .map(|resid| {
                let rows = start..start + resid.dims()[0];
                start = rows.end;
                Chain {
                    splits: &self.splits,
                    inputs: vec![None; self.splits.len()],
                    rows,
                    edit: &edit,
                }
            })
            .collect();
        let layers = self.first().unwrap_or(0)..n;
        let passes = lowest.iter().zip(&mut hooks).map(|(resid, hooks)| {
            let resid = match self.first() {
                Some(_) => resid.clone(),
                None => match hooks.at(HookPoint::Embed, resid.clone().into()) {
                    Activation::R3(x) => x.cast(self.model.dtype()),
                    Activation::R4(_) => unreachable!("the embedding has no heads"),
                },
            };
            Pass {
                resid,
                layers: layers.clone(),
                hooks,
            }
        });
        let passes: Vec<_> = passes.collect();
        self.count(passes.iter().map(|pass| (&pass.resid, &pass.layers)));
        let resids = self.model.passes(passes);
        let normed = resids.into_iter().zip(&mut hooks);
        cat(normed
            .map(|(resid, hook)| self.model.ln_final(resid, hook))
            .collect())
    }
}

impl MultiSplitModel for LlamaPlaces {
    type Resume = PlacesResume;

    fn n_places(&self) -> usize {
        self.splits.len()
    }

    fn run(&self, tokens: Tensor<2, Int>) -> MultiRun<PlacesResume> {
        let n = self.model.config().n_layers;
        let mut resume = PlacesResume {
            places: vec![Vec::new(); self.splits.len()],
            lowest: Vec::new(),
        };
        let (mut normed, mut prefixes) = (Vec::new(), vec![Vec::new(); self.splits.len()]);
        for (resid, mut capture) in self.run_to(tokens, n) {
            normed.push(self.model.ln_final(resid.clone(), &mut capture));
            let cache = capture.into_cache();
            resume.lowest.push(match self.first() {
                None => cache.r3(HookPoint::Embed).clone(),
                Some(layer) if layer < n => cache.r3(HookPoint::ResidPre(layer)).clone(),
                Some(_) => resid.clone(),
            });
            for (at, split) in self.splits.iter().enumerate() {
                let Prefix {
                    resume: left,
                    input,
                    target,
                    ..
                } = split.left_in(&cache, &resid);
                resume.places[at].push(left);
                prefixes[at].push((input, target));
            }
        }
        MultiRun::new(resume, join(prefixes), cat(normed))
    }

    fn prefixes(&self, tokens: Tensor<2, Int>) -> Vec<Prefix<()>> {
        let (n, end) = (self.model.config().n_layers, self.end());
        let mut prefixes = vec![Vec::new(); self.splits.len()];
        for (resid, mut capture) in self.run_to(tokens, end) {
            if end == n {
                self.model.ln_final(resid.clone(), &mut capture);
            }
            let mut cache = capture.into_cache();
            if end < n {
                // The block that would fire it is not run.
                cache.insert(HookPoint::ResidPre(end), resid.clone().into());
            }
            for (split, groups) in self.splits.iter().zip(&mut prefixes) {
                let Prefix { input, target, .. } = split.left_in(&cache, &resid);
                groups.push((input, target));
            }
        }
        join(prefixes)
    }

    fn suffixes(&self, resume: &PlacesResume, edits: Vec<(usize, Splice)>) -> Vec<Tensor<3>> {
        let (mut runs, mut edit_of_run) = (Vec::new(), Vec::new());
        let n_edits = edits.len();
        for (index, (place, edit)) in edits.into_iter().enumerate() {
            let more = self.splits[place].runs(&resume.places[place], &edit);
            if !SplitLlama::alike(&resume.places[place], &edit) {
                self.count(more.iter().map(|run| (&run.resid, &run.layers)));
            }
            edit_of_run.extend(more.iter().map(|_| index));
            runs.extend(more);
        }
        let mut results = vec![Vec::new(); n_edits];
        if let Some(split) = self.splits.first() {
            for (normed, index) in split.finish(runs).into_iter().zip(edit_of_run) {
                results[index].push(normed);
            }
        }
        results.into_iter().map(cat).collect()
    }

    fn chain(&self, resume: &PlacesResume, edit: ChainEdit<'_>) -> Tensor<3> {
        match edit {
            ChainEdit::Zero => self.zeroed(&resume.lowest),
            ChainEdit::Replace(edit) => self.replaced(&resume.lowest, edit),
        }
    }

    fn logits(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        self.model.unembed_entries(normed, entries)
    }

    fn vocab_size(&self) -> usize {
        self.model.config().vocab_size
    }

    fn device(&self) -> Device {
        self.model.device()
    }
}

/// The activations at each place, of groups of rows, as those of all rows.
fn join(places: Vec<Vec<(Tensor<3>, Option<Tensor<3>>)>>) -> Vec<Prefix<()>> {
    let places = places.into_iter().map(|groups| {
        let (inputs, targets): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
        let targets: Vec<_> = targets.into_iter().flatten().collect();
        let target = (!targets.is_empty()).then(|| cat(targets));
        Prefix::new((), cat(inputs)).with_target(target)
    });
    places.collect()
}

/// Zeros at some places.
struct Zeros(Vec<Place>);

impl Hook for Zeros {
    fn wants(&self, point: HookPoint) -> bool {
        self.0.iter().any(|place| place.write() == point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        let here = self.0.iter().filter(|place| place.write() == point);
        here.fold(x, |x, place| place.zero(x))
    }
}

/// Edits at every place, for some rows of a batch.
struct Chain<'a, 'b> {
    splits: &'a [SplitLlama],
    /// What was read for places that write elsewhere.
    inputs: Vec<Option<Tensor<3>>>,
    rows: Range<usize>,
    edit: &'a RefCell<&'b mut dyn FnMut(ChainPlace) -> Tensor<3>>,
}

impl Hook for Chain<'_, '_> {
    fn wants(&self, point: HookPoint) -> bool {
        let mut splits = self.splits.iter();
        splits.any(|split| split.read() == point || split.write() == point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        let mut x = x;
        for (at, split) in self.splits.iter().enumerate() {
            let place = split.place();
            if place.read() == point && place.write() != point {
                self.inputs[at] = Some(place.take(x.clone()));
            }
            if place.write() == point {
                let here = place.take(x.clone());
                let (input, target) = match self.inputs[at].take() {
                    Some(input) => (input, Some(here)),
                    None => (here, None),
                };
                let chain = ChainPlace::new(at, self.rows.clone(), input, target);
                let output = (self.edit.borrow_mut())(chain);
                x = place.put(x, output);
            }
        }
        x
    }
}
