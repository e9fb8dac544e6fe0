//! Prompts of unlike lengths in batches of little waste.

use super::PromptTokens;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Prompts that go through a block together, as rows that are filled up at the right: attention looks back only, so that nothing before is changed.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// Which prompts, and their tokens.
    pub(super) prompts: Vec<(usize, &'a PromptTokens)>,
    /// Tokens of the longest.
    pub(super) length: usize,
}

impl<'a> Group<'a> {
    /// Groups of at most so many tokens, those at the end of shorter prompts included, or one prompt. The longest come first, so that what does
    /// not fit shows at once.
    pub(super) fn all(prompts: &[(usize, &'a PromptTokens)], tokens: usize) -> Vec<Self> {
        let mut sorted = prompts.to_vec();
        sorted.sort_by_key(|(at, prompt)| (std::cmp::Reverse(prompt.ids.len()), *at));
        let mut groups: Vec<Self> = Vec::new();
        for (at, prompt) in sorted {
            match groups.last_mut() {
                Some(group) if (group.prompts.len() + 1) * group.length <= tokens => {
                    group.prompts.push((at, prompt));
                }
                _ => groups.push(Self {
                    prompts: vec![(at, prompt)],
                    length: prompt.ids.len(),
                }),
            }
        }
        groups
    }

    /// `[prompts, length]`.
    pub(super) fn tensor(&self, device: &Device) -> Tensor<2, Int> {
        let mut ids: Vec<i32> = Vec::with_capacity(self.prompts.len() * self.length);
        for (_, prompt) in &self.prompts {
            ids.extend(prompt.ids.iter().map(|id| id.cast_signed()));
            // Any token will do.
            ids.resize(ids.len() + self.length - prompt.ids.len(), 0);
        }
        let data = TensorData::new(ids, [self.prompts.len(), self.length]);
        Tensor::from_data(data, (device, DType::I32))
    }

    /// Rows of `[prompts·length]` that count.
    pub(super) fn kept(&self) -> Vec<i32> {
        let mut rows = Vec::new();
        for (row, (_, prompt)) in self.prompts.iter().enumerate() {
            let kept = prompt.kept.iter().enumerate().filter(|(_, kept)| **kept);
            rows.extend(kept.map(|(position, _)| (row * self.length + position) as i32));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, PromptTokens};

    #[test]
    fn prompts_of_like_length_go_together() {
        let lengths = [3, 9, 2, 8, 3, 30];
        let prompts: Vec<_> = lengths
            .iter()
            .map(|&n| PromptTokens::new((1..=n).collect()))
            .collect();
        let prompts: Vec<_> = prompts.iter().enumerate().collect();
        let groups = Group::all(&prompts, 18);
        let members: Vec<Vec<usize>> = groups
            .iter()
            .map(|group| group.prompts.iter().map(|(at, _)| *at).collect())
            .collect();
        assert_eq!(members, [vec![5], vec![1, 3], vec![0, 4, 2]]);
        assert_eq!(groups[2].kept(), [0, 1, 2, 3, 4, 5, 6, 7]);
        let ids: Vec<i32> = groups[2]
            .tensor(&burn::tensor::Device::flex())
            .into_data()
            .iter()
            .collect();
        assert_eq!(ids, [1, 2, 3, 1, 2, 3, 1, 2, 0]);
    }
}
