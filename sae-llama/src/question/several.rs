//! The question through several SAEs, with one run of the model as it is.

use super::{Question, QuestionError};
use crate::LlamaPlaces;
use dataset_stream::Tokenizer;
use sae_core::Sae;
use sae_metrics::PromptCheck;
use sae_traits::{ChainEdit, ChainPlace, MultiSplitModel, Splice};

/// The answers through several SAEs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SeveralAnswers {
    /// Through each SAE alone, in their order.
    pub saes: Vec<PromptCheck>,
    /// With all of them in place at once, if that was asked for.
    pub together: Option<PromptCheck>,
}

impl Question {
    /// Asks the model, the model with each SAE in place, and with `together` also with all of them in place at once. Each SAE comes with the number of
    /// its place; those at one place follow one another, and no error terms are added. Each alone has the answer of [`ask_both`](Self::ask_both).
    ///
    /// # Errors
    /// If the tokens are not the model's, or an SAE is of another width than its place.
    ///
    /// # Panics
    /// If there is no place of a number.
    pub fn ask_several(
        &self,
        tokenizer: &Tokenizer,
        model: &LlamaPlaces,
        saes: &[(usize, &Sae)],
        together: bool,
    ) -> Result<SeveralAnswers, QuestionError> {
        let llama = model.model();
        for &(number, sae) in saes {
            model.place(number).check(llama.config(), sae.cfg())?;
        }
        let run = model.run(self.tokens(llama)?);
        let edits = saes.iter().map(|&(number, sae)| {
            let output = sae.forward(run.places[number].input.clone());
            (number, Splice::Replace(output))
        });
        let altered = model.suffixes(&run.resume, edits.collect());
        let baseline = self.report(tokenizer, llama, run.normed);
        let check = |normed| {
            let with = self.report(tokenizer, llama, normed);
            self.check(tokenizer, baseline.clone(), Some(with))
        };
        let together = together.then(|| {
            let mut replace = |at: ChainPlace| {
                let reads_elsewhere = at.target.is_some();
                let mut x = at.target.unwrap_or_else(|| at.input.clone());
                for (_, sae) in saes.iter().filter(|(number, _)| *number == at.place) {
                    let input = if reads_elsewhere {
                        at.input.clone()
                    } else {
                        x.clone()
                    };
                    x = sae.forward(input).cast(x.dtype());
                }
                x
            };
            check(model.chain(&run.resume, ChainEdit::Replace(&mut replace)))
        });
        Ok(SeveralAnswers {
            saes: altered.into_iter().map(check).collect(),
            together,
        })
    }
}
